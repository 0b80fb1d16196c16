//! A server that speaks the embeddings call of OpenAI's API, as most servers of models do: `POST` with `model` and
//! `input`, answered with `data[].index` and `data[].embedding`.

use std::{fs, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use selvedge_kit::telemetry;
use serde::{Deserialize, Serialize};
use url::Url;

use super::SecondError;

/// Largest answer in bytes: 64 texts of 4,096 dimensions, twenty characters each.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Longest key in bytes.
const MAX_KEY_BYTES: u64 = 4_096;
/// Most dimensions of a vector.
const MAX_DIMENSIONS: usize = 8_192;

/// Where it is, and what it is asked with.
pub(super) struct Endpoint {
    url: Url,
    model: String,
    key: Option<HeaderValue>,
    client: reqwest::Client,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vec<f32>,
}

impl Endpoint {
    pub(super) fn new(url: &str, model: String, key_file: Option<&Path>) -> Result<Self, SecondError> {
        const CONNECT: Duration = Duration::from_secs(5);
        let url = Url::parse(url).map_err(|error| SecondError::Url(error.to_string()))?;
        telemetry::use_ring();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .user_agent(concat!("selvedge/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(|error| SecondError::Url(error.to_string()))?;
        Ok(Self { url, model, key: key_file.map(key).transpose()?, client })
    }

    /// A vector for each text. Whoever asks sets the deadline.
    pub(super) async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, SecondError> {
        let wanted = Request { model: &self.model, input: texts, encoding_format: "float" };
        let body = serde_json::to_vec(&wanted).map_err(|error| SecondError::Broken(error.to_string()))?;
        let mut request =
            self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        // No URL in what is said: it may hold a key.
        let unanswered = |error: reqwest::Error| SecondError::Unanswered(error.without_url().to_string());
        let mut response = request.send().await.map_err(unanswered)?;
        if !response.status().is_success() {
            return Err(SecondError::Unanswered(format!("status {}", response.status().as_u16())));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(SecondError::Answer(format!("more than {MAX_ANSWER_BYTES} bytes")));
            }
            answer.extend_from_slice(&chunk);
        }
        vectors(&answer, texts.len())
    }
}

/// The vectors of an answer, in the order of the texts.
fn vectors(answer: &[u8], wanted: usize) -> Result<Vec<Vec<f32>>, SecondError> {
    let Response { mut data } = serde_json::from_slice(answer)
        .map_err(|error| SecondError::Answer(format!("what is no list of embeddings: {error}")))?;
    data.sort_by_key(|found| found.index);
    let is_whole = data.len() == wanted && data.iter().enumerate().all(|(at, found)| found.index == at);
    if !is_whole {
        return Err(SecondError::Answer(format!("{} embeddings for {wanted} texts", data.len())));
    }
    if data.iter().any(|found| found.embedding.is_empty() || found.embedding.len() > MAX_DIMENSIONS) {
        return Err(SecondError::Answer(format!("a vector that has not 1 to {MAX_DIMENSIONS} dimensions")));
    }
    Ok(data.into_iter().map(|found| found.embedding).collect())
}

/// The key in a file that nobody else may read.
fn key(path: &Path) -> Result<HeaderValue, SecondError> {
    let unusable = |reason: String| SecondError::Key { path: path.to_owned(), reason };
    let file = fs::File::open(path).map_err(|error| unusable(error.to_string()))?;
    let mode = file.metadata().map_err(|error| unusable(error.to_string()))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(unusable(format!("others may read it (mode {mode:o}): chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.take(MAX_KEY_BYTES).read_to_string(&mut text).map_err(|error| unusable(error.to_string()))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| unusable("it holds what no header can say".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_in_the_order_of_their_texts_and_all_of_them() {
        let answer =
            br#"{"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}], "model": "m"}"#;
        assert_eq!(vectors(answer, 2).unwrap(), [[1.0], [2.0]]);
        assert!(vectors(answer, 3).is_err());
        assert!(vectors(br#"{"data": [{"index": 5, "embedding": [2]}]}"#, 1).is_err());
        assert!(vectors(br#"{"data": [{"index": 0, "embedding": []}]}"#, 1).is_err());
        assert!(vectors(b"{}", 1).is_err());
        assert!(vectors(b"<html>", 1).is_err());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_and_no_key_is_ever_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "s3cret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(key(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let value = key(&path).unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer s3cret");
        assert!(!format!("{value:?}").contains("s3cret"));
        assert!(key(&folder.path().join("none")).is_err());
    }
}
