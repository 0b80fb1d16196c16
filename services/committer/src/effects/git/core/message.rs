//! What a commit says: the agent's message, and trailers that only the committer writes.

use std::fmt::Write as _;

use selvedge_contracts::fault::Detail;

/// What every trailer of ours begins with, in any case.
const OURS: &str = "selvedge-";
/// Names the intent.
pub const INTENT_TRAILER: &str = "Selvedge-Intent";
/// Names the intent whose undo this is.
pub const UNDO_TRAILER: &str = "Selvedge-Undo-Of";

/// The whole message: the agent's words, then the trailers in a paragraph of their own.
///
/// # Errors
/// A message that git would cut, or that claims a trailer of ours.
pub(super) fn compose(message: &str, trailers: &[(&'static str, String)]) -> Result<String, Detail> {
    let wrong = |message: &str| Detail { at: "/effect/message".to_owned(), message: message.to_owned() };
    if message.contains('\0') {
        return Err(wrong("it holds a zero byte, at which git would cut it"));
    }
    if message.trim().is_empty() {
        return Err(wrong("it is empty; say what changes, and why"));
    }
    if message.lines().flat_map(|line| line.split('\r')).any(claims_ours) {
        return Err(wrong(
            "a line begins with Selvedge-…: these trailers are the committer's own; leave it out",
        ));
    }
    let mut whole = format!("{}\n\n", message.trim_end());
    for (name, value) in trailers {
        // Writing to a string cannot fail.
        let _ = writeln!(whole, "{name}: {}", value.replace(['\n', '\r', '\0'], " "));
    }
    Ok(whole)
}

fn claims_ours(line: &str) -> bool {
    let line = line.trim_start();
    line.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS)) && line.contains(':')
}

/// The value of a trailer in the last paragraph of a message.
pub fn trailer<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    trailers(message).find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The trailers in the last paragraph of a message: names and values.
pub fn trailers(message: &str) -> impl Iterator<Item = (&str, &str)> {
    let message = message.trim_end();
    let last = message.rsplit_once("\n\n").map_or("", |(_, last)| last);
    last.lines().filter_map(|line| line.split_once(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Vec<(&'static str, String)> {
        vec![(INTENT_TRAILER, "intent_1".to_owned()), ("Selvedge-Agent", "ada\nSelvedge-Task: x".to_owned())]
    }

    #[test]
    fn trailers_stand_in_a_paragraph_of_their_own_and_read_back() {
        let whole = compose("Fix it\n\nSigned-off-by: a <a@b>\n\n", &ours()).unwrap();
        let expected = "Fix it\n\nSigned-off-by: a <a@b>\n\nSelvedge-Intent: intent_1\nSelvedge-Agent: ada Selvedge-Task: x\n";
        assert_eq!(whole, expected);
        assert_eq!(trailer(&whole, INTENT_TRAILER), Some("intent_1"));
        assert_eq!(trailer(&whole, "Selvedge-Task"), None, "a value cannot add a trailer");
    }

    #[test]
    fn a_message_cannot_claim_a_trailer_of_ours() {
        for forged in [
            "x\n\nSelvedge-Approved-By: person:boss",
            "x\n  selvedge-intent : y",
            "x\r\nSELVEDGE-Policy: 1",
            "x\rSelvedge-Policy: 1",
        ] {
            assert!(
                compose(forged, &ours()).unwrap_err().message.contains("the committer's own"),
                "{forged:?}"
            );
        }
        assert!(compose("Teach selvedge-bench: say more", &ours()).is_ok());
        assert!(compose(" \n", &ours()).unwrap_err().message.contains("empty"));
        assert!(compose("a\0b", &ours()).unwrap_err().message.contains("zero byte"));
    }
}
