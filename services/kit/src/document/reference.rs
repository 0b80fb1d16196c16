//! References inside one schema (`#`, `#/$defs/…`) and the JSON pointers (RFC 6901) that tell where
//! something stands. No other reference is ever followed.

use serde_json::Value;

/// The pointer of `key` under `at`.
pub fn under(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// What a reference leads to in `root`, and where that stands; nothing if it is not a pointer into the
/// same document or leads nowhere.
pub fn resolve<'a>(root: &'a Value, reference: &str) -> Option<(String, &'a Value)> {
    let pointer = percent_decoded(reference.strip_prefix('#')?)?;
    root.pointer(&pointer).map(|found| (pointer, found))
}

/// The text without the `%XX` of a URI fragment (RFC 3986); nothing if that is no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).ok()
}

/// A reference that leads to `pointer` in the document `uri`.
pub fn to(uri: &str, pointer: &str) -> String {
    let mut reference = format!("{uri}#");
    for byte in pointer.bytes() {
        match byte {
            b'/' | b'~' | b'_' | b'-' | b'.' => reference.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => reference.push(char::from(byte)),
            _ => reference.push_str(&format!("%{byte:02X}")),
        }
    }
    reference
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn only_pointers_into_the_same_document_lead_somewhere() {
        let root = json!({"$defs": {"a b": true}});
        assert_eq!(resolve(&root, "#"), Some((String::new(), &root)));
        assert_eq!(resolve(&root, "#/$defs/a%20b"), Some(("/$defs/a b".to_owned(), &json!(true))));
        for nowhere in
            ["", "#a", "#/$defs/x", "x.json", "https://example.com/#/$defs", "#/%", "#/%zz", "#/%ff"]
        {
            assert_eq!(resolve(&root, nowhere), None, "{nowhere}");
        }
    }

    proptest! {
        #[test]
        fn what_is_pointed_at_is_found(key in "\\PC{0,8}") {
            let root = json!({ &key: 1 });
            let reference = to("", &under("", &key));
            prop_assert_eq!(resolve(&root, &reference), Some((under("", &key), &json!(1))));
        }
    }
}
