//! The canonical form of a JSON value (RFC 8785, JCS), and its digest: equal schemas have one digest,
//! however they were typed. Numbers are doubles there; `schema::check` refuses those that are not.

use selvedge_contracts::fault::Fault;
use serde_json::Value;

/// The value as RFC 8785 writes it.
///
/// # Errors
/// Internal if it cannot be written, which no value that was parsed from JSON causes.
pub fn canonical(value: &Value) -> Result<String, Fault> {
    serde_json_canonicalizer::to_string(value).map_err(|error| unwritable(&error))
}

/// blake3 of the canonical form, in hex.
///
/// # Errors
/// As [`canonical`].
pub fn digest(value: &Value) -> Result<String, Fault> {
    Ok(blake3::hash(canonical(value)?.as_bytes()).to_hex().to_string())
}

fn unwritable(error: &serde_json::Error) -> Fault {
    Fault::internal(format!("the value has no canonical form: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The examples of RFC 8785, sections 3.2.2 to 3.2.4.
    #[test]
    fn the_examples_of_the_rfc_come_out_as_printed_there() {
        let numbers = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
            "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
        assert_eq!(
            canonical(&serde_json::from_str(numbers).unwrap()).unwrap(),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
        let keys = r#"{"\u20ac":"Euro","\r":"Return","\ufb33":"Dalet","1":"One","\ud83d\ude00":"Smile","\u0080":"Control","\u00f6":"O"}"#;
        let sorted = canonical(&serde_json::from_str(keys).unwrap()).unwrap();
        let order = ["Return", "One", "Control", "\"O\"", "Euro", "Smile", "Dalet"];
        let places: Vec<usize> = order.iter().map(|word| sorted.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "keys go by UTF-16 code units: {sorted}");
    }

    proptest! {
        #[test]
        fn spelling_and_order_of_keys_do_not_change_the_digest(a in ".{0,8}", b in ".{0,8}", n in -1_000i32..1_000) {
            prop_assume!(a != b);
            let [a, b] = [Value::from(a), Value::from(b)];
            let one = format!("{{{a}: {n}, {b}: [{n}.0]}}");
            let other = format!("{{ {b}:[ {n} ],{a}:{n}e0 }}");
            let [one, other]: [Value; 2] = [one, other].map(|text| serde_json::from_str(&text).unwrap());
            prop_assert_eq!(digest(&one), digest(&other));
        }
    }
}
