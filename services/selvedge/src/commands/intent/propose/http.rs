//! `selvedge intent propose http`.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use clap::Args;
use selvedge_contracts::{
    id::{Digest, MediaType, SecretName},
    payload::intent::{Effect, HttpEffect, Method, Probe, Repeat},
};
use selvedge_kit::{client::Client, transfer};

use super::{Following, about::About, propose};
use crate::{
    commands::artifact::progress::Progress,
    connect::Context,
    exit::{Done, Failure},
    input,
};

/// Propose an HTTP request.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge intent propose http POST https://api.example.org/tickets --body ticket.json --content-type application/json --secret Authorization=ticket-token --by-key --as ada
  selvedge intent propose http PUT https://api.example.org/flags/x --body flag.json --idempotent --as ada
  selvedge intent propose http POST https://api.example.org/pay --probe https://api.example.org/pay/7 --as ada

It is sent with the header Idempotency-Key, which is the intent's id. Unless --by-key or --idempotent says
what the target does with a request that comes twice, it is sent once at most: if its answer is lost, the
probe says what happened, or a person must. Secrets stay with the committer: here they are only named.")]
pub(super) struct Http {
    /// GET, HEAD, POST, PUT, PATCH or DELETE.
    #[arg(value_parser = method)]
    method: Method,
    /// The absolute URL.
    url: String,
    /// A header; repeat for more.
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A header whose value is a secret of the committer's configuration; repeat for more.
    #[arg(long = "secret", value_name = "HEADER=NAME", value_parser = secret)]
    secrets: Vec<(String, SecretName)>,
    /// File with the body.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// What the body is, as a media type.
    #[arg(long, value_name = "TYPE", requires = "body")]
    content_type: Option<MediaType>,
    #[command(flatten)]
    repeat: Repeated,
    /// What to GET if the answer is lost, to find out whether it happened.
    #[arg(long, value_name = "URL")]
    probe: Option<String>,
    /// A status of the probe that says it happened; 200 unless said. Repeat for more.
    #[arg(long, value_name = "STATUS", requires = "probe", default_value = "200")]
    probe_done: Vec<u16>,
    /// A status of the probe that says it did not; 404 unless said. Repeat for more.
    #[arg(long, value_name = "STATUS", requires = "probe", default_value = "404")]
    probe_absent: Vec<u16>,
    /// Longest wait for the answer: 100ms to 60s.
    #[arg(long, value_name = "TIME", value_parser = input::milliseconds)]
    timeout: Option<u64>,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    following: Following,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Repeated {
    /// The target knows the key and does it once, however often it comes.
    #[arg(long)]
    by_key: bool,
    /// Doing it twice is doing it once.
    #[arg(long)]
    idempotent: bool,
}

impl Repeated {
    fn meant(&self) -> Repeat {
        match self {
            Self { by_key: true, .. } => Repeat::ByKey,
            Self { idempotent: true, .. } => Repeat::Idempotent,
            _ => Repeat::Unsafe,
        }
    }
}

fn method(text: &str) -> Result<Method, String> {
    serde_json::from_value(text.to_ascii_uppercase().into())
        .map_err(|_| "expected GET, HEAD, POST, PUT, PATCH or DELETE".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME:VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn secret(text: &str) -> Result<(String, SecretName), String> {
    let (name, secret) = text.split_once('=').ok_or("expected HEADER=NAME")?;
    let secret = SecretName::from_str(secret).map_err(|_| {
        format!("{secret:?} is no name of a secret: expected small letters, digits, - and _; never the secret itself")
    })?;
    Ok((name.trim().to_owned(), secret))
}

impl Http {
    pub(super) async fn run(self, context: &Context) -> Done {
        let headers = each_once(self.headers)?;
        let secrets = each_once(self.secrets)?;
        let (probe_done, probe_absent) = (self.probe_done, self.probe_absent);
        let probe = self.probe.map(|url| Probe { url, done: probe_done, absent: probe_absent });
        let asking = self.following.who.anybody(context).await?;
        let body = match &self.body {
            Some(file) => Some(store(&asking.client, file).await?),
            None => None,
        };
        let title = format!("{} {}", self.method.name(), self.url);
        let effect = HttpEffect {
            method: self.method,
            url: self.url,
            headers,
            secrets,
            body,
            content_type: self.content_type,
            repeat: self.repeat.meant(),
            probe,
            timeout_ms: self.timeout,
        };
        let request = self.about.proposal(Effect::Http(effect), &title)?;
        propose(context, &asking, &request, &self.following.creating, self.following.wait).await
    }
}

/// By name, each said once: of two, one would be lost.
fn each_once<T>(said: Vec<(String, T)>) -> Result<BTreeMap<String, T>, Failure> {
    let mut found = BTreeMap::new();
    for (name, value) in said {
        if found.keys().any(|known: &String| known.eq_ignore_ascii_case(&name)) {
            return Err(Failure::usage(format!("the header {name} is said twice")));
        }
        found.insert(name, value);
    }
    Ok(found)
}

async fn store(client: &Client, file: &std::path::Path) -> Result<Digest, Failure> {
    let progress = Progress::of_bytes();
    let stored = transfer::put_file(client, file, &|done, all| progress.told(done, all)).await;
    progress.end();
    let stored = stored.map_err(|error| match error {
        transfer::TransferError::Io(error) => {
            anyhow::Error::new(error).context(format!("cannot read {}", file.display())).into()
        }
        error => Failure::from(error),
    })?;
    Ok(stored.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_secrets_are_read_as_typed_and_said_once() {
        assert_eq!(header("Accept: text/html:x").unwrap(), ("Accept".to_owned(), "text/html:x".to_owned()));
        assert_eq!(secret("Authorization=api-token").unwrap().1.as_str(), "api-token");
        let error = secret("Authorization=Bearer XyZ").unwrap_err();
        assert!(error.contains("never the secret itself"), "{error}");
        assert!(each_once(vec![("A".to_owned(), 1), ("a".to_owned(), 2)]).is_err());
        assert_eq!(method("post").unwrap(), Method::Post);
        assert!(method("TRACE").is_err());
    }
}
