//! What an answer means.

use reqwest::Response;
use selvedge_contracts::payload::intent::{Probe, Receipt};

use super::super::world::{Lost, Seen};

/// What an answer means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Judged {
    /// It happened.
    Done,
    /// It did not, and will not.
    Refused(String),
    /// It was not asked, and will not be.
    Unsent(String),
    /// It did not yet: it was not taken.
    Later(String),
    /// It may have happened.
    Lost(Lost),
}

/// What a status means (RFC 9110, 15; 425 is RFC 8470, 429 is RFC 6585).
pub(super) fn judge(status: u16, location: Option<&str>) -> Judged {
    const LONGEST_LOCATION: usize = 512;
    match status {
        200..=299 => Judged::Done,
        300..=399 => {
            let to: String = location.unwrap_or("nowhere").chars().take(LONGEST_LOCATION).collect();
            Judged::Refused(format!(
                "the target answered {status} and points to {to}: propose that, if it is meant"
            ))
        }
        408 | 425 | 429 => Judged::Later(format!("the target answered {status}")),
        400..=499 => Judged::Refused(format!("the target answered {status}")),
        _ => Judged::Lost(Lost::Failed(format!("the target answered {status}"))),
    }
}

/// What a probe's status means.
pub(super) fn probed(status: u16, probe: &Probe) -> Seen {
    match (probe.done.contains(&status), probe.absent.contains(&status)) {
        (true, false) => Seen::Done(Receipt::Http { status: None, response: None, content_type: None }),
        (false, true) => Seen::Absent,
        _ => Seen::Unclear(format!("the probe answered {status}, which says neither")),
    }
}

/// Why there is no body.
#[derive(Debug)]
pub(super) enum NoBody {
    /// It is larger than is kept.
    TooLarge,
    /// It broke off.
    Lost(String),
}

/// The body, of at most `most` bytes.
pub(super) async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, NoBody> {
    let mut body = Vec::new();
    loop {
        let chunk =
            response.chunk().await.map_err(|error| NoBody::Lost(selvedge_kit::bus::error_chain(&error)))?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > most {
            return Err(NoBody::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_it_happened() {
        for status in [200, 201, 202, 204] {
            assert_eq!(judge(status, None), Judged::Done, "{status}");
        }
        for status in [400, 401, 403, 404, 409, 410, 422] {
            assert!(matches!(judge(status, None), Judged::Refused(_)), "{status}");
        }
        for status in [408, 425, 429] {
            assert!(matches!(judge(status, None), Judged::Later(_)), "{status}");
        }
        for status in [100, 500, 502, 503, 504, 599, 999] {
            assert!(matches!(judge(status, None), Judged::Lost(Lost::Failed(_))), "{status}");
        }
    }

    #[test]
    fn a_redirect_is_not_followed_but_named() {
        let Judged::Refused(why) = judge(302, Some("https://elsewhere.example/")) else { panic!("followed") };
        assert!(why.contains("https://elsewhere.example/"), "{why}");
    }

    #[test]
    fn a_probe_says_only_what_it_was_declared_to_say() {
        let probe = Probe { url: "http://x/".into(), done: vec![200, 500], absent: vec![404, 500] };
        assert!(matches!(probed(200, &probe), Seen::Done(_)));
        assert_eq!(probed(404, &probe), Seen::Absent);
        for status in [500, 503] {
            assert!(matches!(probed(status, &probe), Seen::Unclear(_)), "{status}");
        }
    }
}
