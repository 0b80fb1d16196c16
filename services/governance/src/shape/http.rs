//! The shape of an HTTP request.

use std::collections::HashSet;

use selvedge_contracts::payload::intent::{HttpEffect, MAX_HEADERS, MAX_URL_BYTES, Method, Probe};
use url::Url;

use super::Findings;

/// Headers that the committer or the connection sets (RFC 9110, 7.6.1 and 8.6).
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that carry nothing but secrets.
const SECRET: &[&str] = &["authorization", "cookie", "proxy-authorization"];

pub(super) fn check(http: &HttpEffect, at: &str, found: &mut Findings) {
    check_url(&http.url, &format!("{at}/url"), found);
    check_headers(http, at, found);
    if http.body.is_some() && matches!(http.method, Method::Get | Method::Head) {
        let method = http.method.name();
        found.add(format!("{at}/body"), format!("a {method} request has no body (RFC 9110, 9.3)"));
    }
    if http.body.is_none() && http.content_type.is_some() {
        found.add(format!("{at}/content_type"), "there is no body that it could be of");
    }
    if let Some(probe) = &http.probe {
        check_probe(probe, &format!("{at}/probe"), found);
    }
}

fn check_url(text: &str, at: &str, found: &mut Findings) {
    if text.len() > MAX_URL_BYTES {
        found.add(at, format!("{} bytes: expected at most {MAX_URL_BYTES}", text.len()));
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return found.add(at, format!("{error}; expected an absolute URL")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        found.add(at, format!("the scheme is {}; expected http or https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        found.add(at, "it holds a user or a password; name a secret in `secrets` instead");
    }
    if url.fragment().is_some() {
        found.add(at, "it has a fragment, which is never sent (RFC 9110, 4.2.5)");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        found.add(at, "it holds a blank or a control character");
    }
}

fn check_headers(http: &HttpEffect, at: &str, found: &mut Findings) {
    let count = http.headers.len() + http.secrets.len();
    if count > MAX_HEADERS {
        found.add(
            format!("{at}/headers"),
            format!("{count} with those of secrets: expected at most {MAX_HEADERS}"),
        );
    }
    let mut names = HashSet::new();
    let plain = http.headers.keys().map(|name| (name, "headers"));
    for (name, of) in plain.chain(http.secrets.keys().map(|name| (name, "secrets"))) {
        let (at, name) = (format!("{at}/{of}/{name}"), name.to_ascii_lowercase());
        if !is_header_name(&name) {
            found.add(&at, "it is no name of a header (RFC 9110, 5.1)");
        }
        if RESERVED.contains(&name.as_str()) || (name == "content-type" && http.content_type.is_some()) {
            found.add(&at, "the committer sets this header itself");
        }
        if of == "headers" && SECRET.contains(&name.as_str()) {
            found.add(&at, "it carries a secret: name that in `secrets` instead");
        }
        if !names.insert(name) {
            found.add(&at, "this header is there twice, in whichever case");
        }
    }
    for (name, value) in &http.headers {
        let is_bad = |c: char| c.is_control() && c != '\t';
        if value.chars().any(is_bad) || value.trim() != value {
            found.add(
                format!("{at}/headers/{name}"),
                "its value holds a control character, or a blank at an end",
            );
        }
    }
}

/// A token (RFC 9110, 5.6.2).
fn is_header_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.len() <= 128 && name.bytes().all(fits)
}

fn check_probe(probe: &Probe, at: &str, found: &mut Findings) {
    check_url(&probe.url, &format!("{at}/url"), found);
    for (of, statuses) in [("done", &probe.done), ("absent", &probe.absent)] {
        for (index, status) in statuses.iter().enumerate() {
            if !(200..=599).contains(status) {
                found
                    .add(format!("{at}/{of}/{index}"), format!("{status} is no final status (RFC 9110, 15)"));
            }
        }
    }
    if let Some(both) = probe.done.iter().find(|status| probe.absent.contains(status)) {
        found.add(
            format!("{at}/absent"),
            format!("{both} cannot say both that it happened and that it did not"),
        );
    }
}
