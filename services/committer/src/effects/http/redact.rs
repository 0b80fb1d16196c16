//! Taking the committer's secrets out of what a target answers: an answer is stored for others to read, and a
//! target may say back what it was told.
//!
//! Found are a secret, each of its words (`Bearer` and a token are two) and the password of `Basic`, as they are
//! and in the forms in which an answer would quote them: JSON, percent-encoding, Base64, hex.

use std::collections::BTreeMap;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use selvedge_contracts::id::SecretName;

/// Shortest secret, in bytes: what is shorter is found everywhere.
const SHORTEST: usize = 4;
/// Shortest word of one.
const SHORTEST_WORD: usize = 8;

/// Every form of every secret, the longest first.
#[derive(Default)]
pub(super) struct Redaction(Vec<(Vec<u8>, String)>);

impl Redaction {
    pub(super) fn of(secrets: &BTreeMap<SecretName, String>) -> Self {
        let mut found = Vec::new();
        for (name, value) in secrets {
            let instead = format!("[secret {name}]");
            for part in parts(value) {
                found.extend(forms(part.as_bytes()).into_iter().map(|form| (form, instead.clone())));
            }
        }
        found.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        found.dedup();
        Self(found)
    }

    /// Whether there is nothing to take out.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes without secrets: each is replaced by its name.
    pub(super) fn bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for (form, instead) in &self.0 {
            if position(&bytes, form).is_some() {
                bytes = replaced(&bytes, form, instead.as_bytes());
            }
        }
        bytes
    }

    /// The text without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        String::from_utf8_lossy(&self.bytes(text.as_bytes().to_vec())).into_owned()
    }
}

fn parts(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    if value.len() >= SHORTEST {
        found.push(value.to_owned());
    }
    let words = value.split(|c: char| c.is_whitespace() || ",;=".contains(c));
    found.extend(words.filter(|word| word.len() >= SHORTEST_WORD).map(str::to_owned));
    for word in value.split_whitespace() {
        // `Basic` (RFC 7617): a user and a password.
        let decoded = BASE64.decode(word.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((_, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            found.extend((password.len() >= SHORTEST_WORD).then(|| password.to_owned()));
        }
    }
    found
}

fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(secret);
    let json = serde_json::to_string(&text).unwrap_or_default();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned();
    let unpadded = BASE64.encode(secret).trim_end_matches('=').to_owned();
    let percent: String = url::form_urlencoded::byte_serialize(secret).collect();
    let texts = [
        json.replace('/', "\\/"),
        json,
        percent.replace('+', "%20"),
        percent,
        unpadded,
        BASE64URL_NOPAD.encode(secret),
        HEXLOWER.encode(secret),
        HEXUPPER.encode(secret),
    ];
    let mut forms: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    forms.push(secret.to_vec());
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn replaced(bytes: &[u8], wanted: &[u8], instead: &[u8]) -> Vec<u8> {
    let (mut left, mut found) = (bytes, Vec::with_capacity(bytes.len()));
    while let Some((before, after)) =
        position(left, wanted).and_then(|at| Some((left.get(..at)?, left.get(at + wanted.len()..)?)))
    {
        found.extend_from_slice(before);
        found.extend_from_slice(instead);
        left = after;
    }
    found.extend_from_slice(left);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction(secrets: &[(&str, &str)]) -> Redaction {
        let named = secrets.iter().map(|(name, value)| (SecretName::new(name).unwrap(), (*value).to_owned()));
        Redaction::of(&named.collect())
    }

    #[test]
    fn a_secret_is_taken_out_in_every_form_in_which_an_answer_would_quote_it() {
        let redaction = redaction(&[("token", "Bearer s3cret/of \"us\" + them")]);
        for answer in [
            r#"{"authorization":"Bearer s3cret/of \"us\" + them"}"#,
            r#"{"authorization":"Bearer s3cret\/of \"us\" + them"}"#,
            "you said Bearer s3cret/of \"us\" + them, twice: Bearer s3cret/of \"us\" + them",
            "https://elsewhere.example/?auth=Bearer+s3cret%2Fof+%22us%22+%2B+them",
            "https://elsewhere.example/?auth=Bearer%20s3cret%2Fof%20%22us%22%20%2B%20them",
            "QmVhcmVyIHMzY3JldC9vZiAidXMiICsgdGhlbQ==",
        ] {
            let text = redaction.text(answer);
            assert!(text.contains("[secret token]"), "{answer} -> {text}");
            assert!(!text.contains("s3cret") && !text.contains("QmVhcmVy"), "{answer} -> {text}");
        }
        assert_eq!(redaction.text("nothing of it"), "nothing of it");
    }

    #[test]
    fn the_token_alone_and_the_password_of_basic_are_taken_out_too() {
        let redaction =
            redaction(&[("bearer", "Bearer abcdef0123456789"), ("basic", "Basic YWRhOmh1bnRlcjIyMg==")]);
        assert_eq!(redaction.text("token=abcdef0123456789;"), "token=[secret bearer];");
        assert_eq!(redaction.text("password hunter222"), "password [secret basic]");
        assert_eq!(redaction.bytes(b"\xff abcdef0123456789".to_vec()), b"\xff [secret bearer]");
        assert_eq!(
            redaction.text("a Bearer and a Basic are no secrets"),
            "a Bearer and a Basic are no secrets"
        );
    }

    #[test]
    fn what_is_too_short_to_be_a_secret_takes_nothing_out() {
        assert!(redaction(&[("x", "ab"), ("empty", "")]).is_empty());
        assert_eq!(redaction(&[("pin", "4711")]).text("it is 4711"), "it is [secret pin]");
    }
}
