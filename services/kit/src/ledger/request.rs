//! What a repeated request is known by, and what tells it from another one under the same key. Stands
//! with every fact in the header `Sv-Request`: 32 hex digits of who asked, for what and under which key,
//! and, where the request had a payload, `-` and 16 hex digits of that payload.

use std::fmt;

use serde_json::Value;

/// Digest by which a repeated request is known: of who asked, for what, and under which idempotency
/// key, the first 128 bits of a blake3 hash; and 64 bits of what was asked, which never makes an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestDigest {
    key: u128,
    /// Absent where nobody sent a payload (a service's own work), and on facts older than it.
    payload: Option<u64>,
}

impl RequestDigest {
    /// The digest of a request without a payload.
    pub fn new(caller: &str, call: &str, idempotency_key: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [caller, call, idempotency_key] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
        }
        Self { key: first_128_bits(&hasher), payload: None }
    }

    /// The same with the payload that was sent: equal values have equal digests, in whichever form,
    /// spelling and order of keys they came.
    #[must_use]
    pub fn with_payload(self, payload: &Value) -> Self {
        let mut hasher = blake3::Hasher::new();
        absorb(&mut hasher, payload);
        Self { payload: Some((first_128_bits(&hasher) >> 64) as u64), ..self }
    }

    /// An id that follows from this request and `purpose`: the same request makes the same id, whatever
    /// its payload says.
    #[must_use]
    pub fn derive(self, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.key.to_be_bytes()).update(purpose.as_bytes());
        Self { key: first_128_bits(&hasher), ..self }
    }

    /// A digest that no other request has.
    pub fn random() -> Self {
        Self { key: rand::random(), payload: None }
    }

    /// Whether both came from one caller, for one call, under one key.
    pub(crate) fn has_key_of(self, other: Self) -> bool {
        self.key == other.key
    }

    /// Whether it is known that both asked for different things.
    pub(crate) fn differs_in_payload_from(self, other: Self) -> bool {
        matches!((self.payload, other.payload), (Some(one), Some(another)) if one != another)
    }

    /// The first 64 bits, for sets that are verified before they are believed.
    pub(crate) fn short(self) -> u64 {
        (self.key >> 64) as u64
    }

    /// Sixteen hex digits for an id made from it.
    pub fn id_hex(self) -> String {
        format!("{:016x}", self.short())
    }

    /// As it stands in the header of a fact.
    pub(super) fn to_header(self) -> String {
        match self.payload {
            Some(payload) => format!("{:032x}-{payload:016x}", self.key),
            None => self.to_string(),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (key, payload) = match text.split_once('-') {
            Some((key, payload)) => (key, Some(u64::from_str_radix(payload, 16).ok()?)),
            None => (text, None),
        };
        Some(Self { key: u128::from_str_radix(key, 16).ok()?, payload })
    }
}

/// The part that ids are made of.
impl fmt::Display for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.key)
    }
}

fn first_128_bits(hasher: &blake3::Hasher) -> u128 {
    u128::from_be_bytes(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default())
}

/// Feeds a JSON value to the hash, each part under a tag and a length, so that no two values feed the
/// same bytes. No text is made of it on the way: this is on the path of every write. Keys are put in
/// order here: whether `serde_json` keeps them so depends on what else is in the build (`preserve_order`). A whole
/// number is one however it is spelled.
fn absorb(hasher: &mut blake3::Hasher, value: &Value) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        hasher.update(&[tag]).update(&(bytes.len() as u64).to_be_bytes()).update(bytes);
    };
    match value {
        Value::Null => tagged(b'n', b""),
        Value::Bool(said) => tagged(b'b', &[u8::from(*said)]),
        Value::Number(number) => match whole(number) {
            Some(number) => tagged(b'i', &number.to_be_bytes()),
            None => tagged(b'f', &number.as_f64().unwrap_or(f64::NAN).to_be_bytes()),
        },
        Value::String(text) => tagged(b's', text.as_bytes()),
        Value::Array(items) => {
            hasher.update(b"a").update(&(items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| absorb(hasher, item));
        }
        Value::Object(fields) => {
            hasher.update(b"o").update(&(fields.len() as u64).to_be_bytes());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            for (key, field) in fields {
                hasher.update(&(key.len() as u64).to_be_bytes()).update(key.as_bytes());
                absorb(hasher, field);
            }
        }
    }
}

/// The number if it is whole and a double holds it exactly, or was sent as an integer.
fn whole(number: &serde_json::Number) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    let integer = number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from));
    integer.or_else(|| {
        let double = number.as_f64()?;
        (double.fract() == 0.0 && double.abs() <= EXACT).then_some(double as i128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of(payload: &str) -> RequestDigest {
        RequestDigest::new("ada", "registry.join", "k1").with_payload(&serde_json::from_str(payload).unwrap())
    }

    #[test]
    fn a_request_is_known_by_caller_call_and_key() {
        let digest = RequestDigest::new("ada", "registry.join", "k1");
        assert_eq!(digest, RequestDigest::new("ada", "registry.join", "k1"));
        assert_ne!(digest, RequestDigest::new("ada", "registry.join", "k2"));
        assert_ne!(digest, RequestDigest::new("ada", "registry.joink", "1"));
        assert_ne!(digest.derive("a"), digest.derive("b"));
    }

    #[test]
    fn its_payload_changes_no_id() {
        let (one, another) = (of("{}"), of("[]"));
        assert!(one.has_key_of(another) && one.differs_in_payload_from(another));
        assert_eq!((one.to_string(), one.id_hex()), (another.to_string(), another.id_hex()));
        assert_eq!(one.derive("x").to_string(), another.derive("x").to_string());
        assert!(one.derive("x").differs_in_payload_from(another.derive("x")));
    }

    #[test]
    fn the_header_holds_all_of_it_and_an_older_one_contradicts_nothing() {
        let bare = RequestDigest::new("ada", "registry.join", "k1");
        for digest in [bare, of("{}"), of("0")] {
            assert_eq!(RequestDigest::parse(&digest.to_header()), Some(digest), "{}", digest.to_header());
        }
        assert!(bare.has_key_of(of("{}")) && !bare.differs_in_payload_from(of("{}")));
        for foreign in ["", "-", "1-", "-1", "x", "1-x"] {
            assert_eq!(RequestDigest::parse(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn spelling_and_order_do_not_matter_and_everything_else_does() {
        let same = [
            r#"{"a":[1,"é"],"b":-2.5}"#,
            "{ \"b\": -25e-1,\n \"a\": [1.0, \"\\u00e9\"] }",
            r#"{"b":0,"a":[1e0,"é"],"b":-2.5}"#,
        ];
        for text in same {
            assert_eq!(of(text), of(same[0]), "{text}");
        }
        let all = [
            "null",
            "false",
            "true",
            "0",
            "1",
            "-1",
            "0.5",
            "1e300",
            "18446744073709551615",
            r#""""#,
            r#""0""#,
            "[]",
            "[[]]",
            "[0]",
            r#"["a","b"]"#,
            r#"["ab"]"#,
            "[[0],1]",
            "[[0,1]]",
            "{}",
            r#"{"a":null}"#,
            r#"{"a":"b"}"#,
            r#"{"a":{"b":1},"c":2}"#,
            r#"{"a":{"b":1,"c":2}}"#,
        ];
        let digests: std::collections::HashSet<_> = all.iter().map(|text| of(text)).collect();
        assert_eq!(digests.len(), all.len());
    }

    proptest! {
        #[test]
        fn two_texts_differ_as_the_texts_do(a in ".{0,6}", b in ".{0,6}", n in any::<i64>(), m in any::<i64>()) {
            let digest = |key: &str, n: i64| {
                let value = json!({ key: n, "z": [key] });
                RequestDigest::new("", "", "").with_payload(&value)
            };
            prop_assert_eq!(digest(&a, n) == digest(&b, m), (&a, n) == (&b, m) || (a == b && n == m));
        }
    }
}
