//! Making a request of what was approved: its address, its headers with their secrets, its body.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::{
    Client, RequestBuilder, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use selvedge_contracts::{
    fault::{Code, Detail},
    id::{ArtifactRef, Digest, SecretName},
    payload::intent::HttpEffect,
};
use selvedge_kit::{
    bus::error_chain,
    transfer::{self, TransferError},
};
use tracing::warn;

use super::{
    super::{Outcome, Work, reason, secrets},
    MAX_BODY_BYTES,
    redact::Redaction,
};
use crate::memory::{Held, Room};

/// Header with the key by which a target knows a request again.
const KEY: &str = "idempotency-key";
/// Headers that say how a message is carried, or whose request it is: ours to set (RFC 9110, 7.6.1).
const OURS: &[&str] = &[
    KEY,
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that is ready to be sent.
pub(super) struct Prepared {
    method: reqwest::Method,
    url: Url,
    headers: HeaderMap,
    key: HeaderValue,
    content_type: Option<HeaderValue>,
    body: Option<Bytes>,
    /// What must not be told of the answer.
    pub(super) redaction: Redaction,
    /// Memory for the body and the answer.
    _memory: Held,
}

/// Makes the request; everything that is wrong with it is told.
pub(super) async fn prepare(work: &Work<'_>, effect: &HttpEffect) -> Result<Prepared, Outcome> {
    let mut wrong = Vec::new();
    let url = reached(work, &effect.url).map_err(|why| wrong.push(reason("/url", why))).ok();
    let mut headers = plain_headers(&effect.headers, &mut wrong);
    // Of all secrets there are: a target may say back what it was told before.
    let secrets = known_secrets(work);
    let redaction = secrets.as_ref().map(Redaction::of).unwrap_or_default();
    match secrets {
        Ok(secrets) => headers.extend(resolved(&effect.secrets, &secrets, &mut wrong)),
        Err(why) if effect.secrets.is_empty() => warn!(why, "answers are kept as they are"),
        Err(why) => wrong.push(reason("/secrets", why)),
    }
    let content_type = effect.content_type.as_ref().map(|named| HeaderValue::from_str(named.as_str()));
    let content_type = content_type.transpose().unwrap_or_else(|error| {
        wrong.push(reason("/content_type", error.to_string()));
        None
    });
    let (Some(url), Ok(key), true) = (url, HeaderValue::from_str(&work.key()), wrong.is_empty()) else {
        return Err(Outcome::Refused(wrong));
    };
    let method = reqwest::Method::from_bytes(effect.method.name().as_bytes());
    let method = method.map_err(|error| Outcome::refused("/method", error.to_string()))?;
    let room = room(work, effect).await?;
    let body = match &effect.body {
        Some(digest) => Some(body(work, digest, &room).await?),
        None => None,
    };
    let memory = room.close();
    let body = body.map(|body| memory.content(body));
    Ok(Prepared { method, url, headers, key, content_type, body, redaction, _memory: memory })
}

impl Prepared {
    /// The request, as `client` sends it.
    pub(super) fn request(&self, client: &Client) -> Result<RequestBuilder, reqwest::Error> {
        let mut request = client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        request = request.header(KEY, self.key.clone());
        if let Some(content_type) = &self.content_type {
            request = request.header(CONTENT_TYPE, content_type.clone());
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let check = request.try_clone().map(RequestBuilder::build).transpose();
        check.map(|_| request)
    }

    /// The headers of a probe at `url`: those of the request if it is asked of the same origin, else none, so
    /// that no secret goes anywhere but to the request's own target.
    pub(super) fn probe(&self, url: &str) -> Result<HeaderMap, String> {
        let url = address(url)?;
        let is_same = url.origin() == self.url.origin();
        Ok(if is_same { self.headers.clone() } else { HeaderMap::new() })
    }
}

/// The address, if it is one that may be asked, and in reach as far as it tells itself.
pub(super) fn reached(work: &Work<'_>, text: &str) -> Result<Url, String> {
    let url = address(text)?;
    work.state.reach.judge(&url).map_err(|unreached| unreached.to_string())?;
    Ok(url)
}

/// The address, if it is one that may be asked.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{} is neither http nor https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it names a user: use a secret header".to_owned());
    }
    Ok(url)
}

fn plain_headers(named: &BTreeMap<String, String>, wrong: &mut Vec<Detail>) -> HeaderMap {
    let read = named.iter().filter_map(|(name, value)| {
        let read = header_name(name).and_then(|name| {
            HeaderValue::from_str(value).map(|value| (name, value)).map_err(|error| error.to_string())
        });
        read.map_err(|why| wrong.push(reason(&format!("/headers/{name}"), why))).ok()
    });
    read.collect()
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
    if OURS.contains(&name.as_str()) {
        return Err("is set by the committer alone".to_owned());
    }
    Ok(name)
}

/// Every secret that this committer has.
fn known_secrets(work: &Work<'_>) -> Result<BTreeMap<SecretName, String>, String> {
    let Some(path) = &work.state.config.secrets else { return Ok(BTreeMap::new()) };
    secrets::read(path).map_err(|why| format!("the committer's secrets cannot be used: {why}"))
}

fn resolved(
    named: &BTreeMap<String, SecretName>,
    secrets: &BTreeMap<SecretName, String>,
    wrong: &mut Vec<Detail>,
) -> HeaderMap {
    let read = named.iter().filter_map(|(header, secret)| {
        let read = header_name(header).and_then(|header| {
            let value = secrets.get(secret).ok_or_else(|| format!("there is no secret {secret}"))?;
            let mut value =
                HeaderValue::from_str(value).map_err(|_| format!("secret {secret} is no header"))?;
            value.set_sensitive(true);
            Ok((header, value))
        });
        read.map_err(|why| wrong.push(reason(&format!("/secrets/{header}"), why))).ok()
    });
    read.collect()
}

/// Room for the answer, which is set aside before anything is asked, and for the body.
async fn room<'a>(work: &Work<'a>, effect: &HttpEffect) -> Result<Room<'a>, Outcome> {
    let contents = 1 + usize::from(effect.body.is_some());
    let reserved = work.state.memory.reserved(&work.intent.mission, contents * MAX_BODY_BYTES);
    let room = tokio::time::timeout(work.deadline.remaining(), reserved).await.ok().flatten();
    let is_there = |room: &Room<'_>| room.take(MAX_BODY_BYTES).is_ok();
    room.filter(is_there)
        .ok_or_else(|| Outcome::Later("the committer's memory is taken by others".to_owned()))
}

/// The request's body, from the artifacts.
async fn body(work: &Work<'_>, digest: &Digest, room: &Room<'_>) -> Result<Vec<u8>, Outcome> {
    let client = work.state.client.clone().in_mission(work.intent.mission.clone());
    let artifact =
        ArtifactRef::new(digest.as_str()).map_err(|error| Outcome::refused("/body", error.to_string()))?;
    let mut content = room.sink();
    let got = transfer::get(&client, &artifact, 0, &mut content, &|_, _| {});
    match tokio::time::timeout(work.deadline.remaining(), got).await {
        Ok(Ok(_)) => Ok(content.kept),
        Ok(Err(TransferError::Io(_))) if room.refused().is_some() => {
            Err(Outcome::refused("/body", format!("a request's body is at most {MAX_BODY_BYTES} bytes")))
        }
        Ok(Err(TransferError::Fault(fault))) if fault.is_retryable() || fault.code == Code::Internal => {
            Err(Outcome::Later(fault.to_string()))
        }
        Ok(Err(error)) => Err(Outcome::refused("/body", error_chain(&error))),
        Err(_) => Err(Outcome::Later("the body could not be read in time".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::payload::intent::IntentState;

    use super::*;
    use crate::fixture;

    fn prepared(url: &str) -> Prepared {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer s3cret"));
        Prepared {
            method: reqwest::Method::POST,
            url: address(url).unwrap(),
            headers,
            key: HeaderValue::from_static("k"),
            content_type: None,
            body: None,
            redaction: Redaction::default(),
            _memory: crate::memory::Memory::new(0)
                .room(&fixture::intent(IntentState::Executing).mission, 0)
                .close(),
        }
    }

    #[test]
    fn only_plain_web_addresses_are_asked() {
        for good in ["http://127.0.0.1:8080/a?b=c", "https://api.example.org"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["ftp://x/", "file:///etc/passwd", "http://u:p@x/", "http://u@x/", "/a", "x", ""] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_probe_elsewhere_gets_no_secret() {
        let request = prepared("https://api.example.org/orders");
        assert!(request.probe("https://api.example.org/orders/7").unwrap().contains_key("authorization"));
        for elsewhere in ["https://api.example.org:8443/", "http://api.example.org/", "https://evil.example/"]
        {
            assert!(request.probe(elsewhere).unwrap().is_empty(), "{elsewhere}");
        }
    }

    #[test]
    fn headers_that_are_ours_or_no_headers_are_refused_with_their_names() {
        let named = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let mut wrong = Vec::new();
        let headers = plain_headers(
            &named(&[
                ("Accept", "text/plain"),
                ("Idempotency-Key", "x"),
                ("Host", "y"),
                ("a b", "z"),
                ("x", "\n"),
            ]),
            &mut wrong,
        );
        assert_eq!(headers.len(), 1);
        let at: Vec<_> = wrong.iter().map(|detail| detail.at.as_str()).collect();
        assert_eq!(at, ["/headers/Host", "/headers/Idempotency-Key", "/headers/a b", "/headers/x"]);
    }

    #[test]
    fn a_secret_is_marked_and_one_that_is_missing_is_named() {
        let secret = |name: &str| SecretName::new(name).unwrap();
        let named = [("authorization".to_owned(), secret("t")), ("x-b".to_owned(), secret("none"))].into();
        let mut wrong = Vec::new();
        let headers = resolved(&named, &[(secret("t"), "Bearer s3cret".to_owned())].into(), &mut wrong);
        assert!(headers["authorization"].is_sensitive());
        assert!(!format!("{headers:?}").contains("s3cret"));
        assert_eq!(wrong, [reason("/secrets/x-b", "there is no secret none")]);
    }
}
