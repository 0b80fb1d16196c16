//! What nats-server denied a client, read from a line of its log. Pure.
//!
//! ```text
//! [1] 2026/01/02 03:04:05.000001 [ERR] 127.0.0.1:5 - cid:5 - "v1:rust:name" - "A…/main/jwt:U…" - Publish Violation - Subject "a.b"
//! [1] 2026/01/02 03:04:05.000001 [ERR] 127.0.0.1:5 - cid:7 - authentication error - JWT User "U…"
//! ```
//! A client chooses its name and the subject: so a line is read from its end, where quotes are escaped
//! and a subject holds no blank.

use selvedge_contracts::id::{KlusterName, PublicKey};

/// What was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// To publish.
    Publish,
    /// To subscribe.
    Subscribe,
    /// To connect, or to stay connected.
    Connect,
}

/// One denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What was denied.
    pub what: What,
    /// The kluster, where it is known.
    pub kluster: Option<KlusterName>,
    /// Public key of the credential, where it is known.
    pub user: Option<PublicKey>,
    /// The subject, without its quotes, or what nats-server says; at most 512 characters.
    pub detail: String,
}

const MAX_DETAIL_CHARS: usize = 512;

impl Denial {
    /// Reads a line of the log; `None` if it tells of something else.
    pub fn read(line: &str) -> Option<Self> {
        let (_, line) = line.trim_end().split_once("[ERR] ")?;
        let mut parts = line.rsplitn(4, " - ");
        let (last, before, identity) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
        match before {
            "Publish Violation" => Some(Self::new(What::Publish, identity, last)),
            "Subscription Violation" => Some(Self::new(What::Subscribe, identity, last)),
            _ => {
                let said = if is_refusal(before) { before } else { last };
                is_refusal(said).then(|| Self::new(What::Connect, line, said))
            }
        }
    }

    fn new(what: What, identity: &str, detail: &str) -> Self {
        let detail = quoted(detail, "Subject \"").or_else(|| quoted(detail, "Reply \"")).unwrap_or(detail);
        let detail = detail.chars().take(MAX_DETAIL_CHARS).collect();
        Self { what, kluster: kluster(identity), user: user(identity), detail }
    }
}

fn is_refusal(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.starts_with("authentication ")
        || said.starts_with("authorization ")
        || said.starts_with("user authentication ")
}

/// What stands between `before` and the next quote.
fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.split('"').next()
}

/// From `"<account>/<kluster>/jwt:<key>"`.
fn kluster(identity: &str) -> Option<KlusterName> {
    identity.rsplit('/').nth(1).and_then(|name| KlusterName::new(name).ok())
}

fn user(identity: &str) -> Option<PublicKey> {
    let (_, after) = identity.rsplit_once("jwt:").or_else(|| identity.rsplit_once("JWT User \""))?;
    PublicKey::new(after.trim_end_matches('"')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "UCOPARHSGWFGF7ZUI2AAGDUXNUJEGLCXMMEKTURKD2UZPA6M5MCF2BM4";

    fn read(after: &str) -> Option<Denial> {
        Denial::read(&format!("[7] 2026/11/21 04:50:56.231720 [ERR] 127.0.0.1:4 - cid:5 - {after}\n"))
    }

    fn identity() -> String {
        format!("\"ACGABVIO/main/jwt:{KEY}\"")
    }

    #[test]
    fn a_denied_publish_names_kluster_key_and_subject() {
        let denial =
            read(&format!("\"v1:rust\" - {} - Publish Violation - Subject \"a.b\"", identity())).unwrap();
        assert_eq!(denial.what, What::Publish);
        assert_eq!(denial.kluster.unwrap().as_str(), "main");
        assert_eq!(denial.user.unwrap().as_str(), KEY);
        assert_eq!(denial.detail, "a.b");
    }

    #[test]
    fn a_denied_subscription_names_its_subject() {
        let line = format!("{} - Subscription Violation - Subject \"sv.>\", Queue: \"x\", SID 2", identity());
        let denial = read(&line).unwrap();
        assert_eq!((denial.what, denial.detail.as_str()), (What::Subscribe, "sv.>"));
    }

    #[test]
    fn a_refused_connection_names_its_key_if_it_showed_one() {
        let denial = read("authentication error").unwrap();
        assert_eq!(
            (denial.what, denial.user, denial.detail.as_str()),
            (What::Connect, None, "authentication error")
        );
        let denial = read(&format!("authentication error - JWT User \"{KEY}\"")).unwrap();
        assert_eq!(denial.user.unwrap().as_str(), KEY);
    }

    #[test]
    fn a_clients_name_cannot_pass_for_another_key() {
        let victim = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
        let name = format!("\\\"A/other/jwt:{victim}\\\" - Publish Violation - Subject \\\"x\\\"");
        let line = format!("\"v1:rust:{name}\" - {} - Publish Violation - Subject \"a.b\"", identity());
        let denial = read(&line).unwrap();
        assert_eq!((denial.user.unwrap().as_str(), denial.detail.as_str()), (KEY, "a.b"));
    }

    #[test]
    fn other_lines_are_none_of_ours() {
        assert_eq!(read("\"v1\" - Slow Consumer Detected"), None);
        assert_eq!(Denial::read("[7] 2026/11/21 04:50:56 [INF] Server is ready"), None);
        assert_eq!(Denial::read("nonsense"), None);
    }
}
