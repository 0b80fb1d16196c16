//! A second model, which has a say in the order of what was found: a server that speaks the embeddings call of
//! OpenAI's API, or a sentence model in a local folder. It is asked where somebody looks (`overlap.check`,
//! `overlap.show`), never where anything is decided in order: that rests on the model in the binary alone. What
//! does not answer in time leaves the order as it was, and the reply says so.

mod endpoint;
mod error;
#[cfg(feature = "minilm")]
mod minilm;
mod near;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;

pub use error::SecondError;
pub(crate) use near::{joined, reorder};

use endpoint::Endpoint;

/// Most vectors that are kept: some 12 MB of 1,536 dimensions each.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2_047);
/// Most texts that are asked about at once.
const MAX_TEXTS: usize = 64;

/// Which model, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondConfig {
    /// An `http` or `https` URL of an embeddings call, or a folder with `config.json`, `tokenizer.json` and
    /// `model.safetensors`.
    pub place: String,
    /// The model's name, as the server knows it; of a folder, what it is called in answers.
    pub model: Option<String>,
    /// File that holds the server's key and nobody else may read; none: it is asked without.
    pub key_file: Option<PathBuf>,
    /// Longest time that an answer waits for it, in milliseconds.
    pub timeout_ms: u64,
}

/// The second model.
pub(crate) struct SecondModel {
    name: String,
    source: Source,
    /// Vectors of texts, by digest.
    kept: Mutex<LruCache<[u8; 32], Arc<[f32]>>>,
    /// Longest time that an answer waits for it, in milliseconds.
    pub(crate) timeout_ms: u64,
}

enum Source {
    Endpoint(Endpoint),
    #[cfg(feature = "minilm")]
    Folder(Arc<minilm::MiniLm>),
}

impl SecondModel {
    /// # Errors
    /// [`SecondError`] if the place is no URL and no folder with a model, or the key cannot be used.
    pub(crate) fn open(config: &SecondConfig) -> Result<Self, SecondError> {
        let is_url = config.place.starts_with("http://") || config.place.starts_with("https://");
        let (source, default) = if is_url {
            let model = config.model.clone().ok_or(SecondError::NoName)?;
            let endpoint = Endpoint::new(&config.place, model.clone(), config.key_file.as_deref())?;
            (Source::Endpoint(endpoint), model)
        } else {
            folder(Path::new(&config.place))?
        };
        let name = config.model.clone().unwrap_or(default);
        Ok(Self { name, source, kept: Mutex::new(LruCache::new(KEPT)), timeout_ms: config.timeout_ms })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How near each of the others is to a text: thousandths of the cosine, 0 for what points elsewhere.
    ///
    /// # Errors
    /// [`SecondError`] if the model does not answer, or says what cannot be.
    pub(crate) async fn near(&self, text: &str, others: &[String]) -> Result<Vec<u16>, SecondError> {
        let texts: Vec<&str> = std::iter::once(text).chain(others.iter().map(String::as_str)).collect();
        let vectors = self.vectors(&texts).await?;
        let (wanted, others) = vectors.split_first().ok_or(SecondError::Answer("nothing".to_owned()))?;
        Ok(others.iter().map(|other| thousandths(wanted, other)).collect())
    }

    /// The vector of each text, of length 1; those that are known are not asked for again.
    async fn vectors(&self, texts: &[&str]) -> Result<Vec<Arc<[f32]>>, SecondError> {
        let digests: Vec<[u8; 32]> = texts.iter().map(|text| blake3::hash(text.as_bytes()).into()).collect();
        let mut found: Vec<Option<Arc<[f32]>>> = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            digests.iter().map(|digest| kept.get(digest).cloned()).collect()
        };
        let missing: Vec<usize> =
            (0..texts.len()).filter(|at| matches!(found.get(*at), Some(None))).collect();
        for part in missing.chunks(MAX_TEXTS) {
            let asked: Vec<String> =
                part.iter().filter_map(|at| texts.get(*at)).map(ToString::to_string).collect();
            let vectors = self.ask(asked).await?;
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            for (at, vector) in part.iter().zip(vectors) {
                let vector: Arc<[f32]> = normalised(vector)?.into();
                if let (Some(place), Some(digest)) = (found.get_mut(*at), digests.get(*at)) {
                    kept.put(*digest, Arc::clone(&vector));
                    *place = Some(vector);
                }
            }
        }
        let vectors: Option<Vec<_>> = found.into_iter().collect();
        let vectors = vectors.ok_or_else(|| SecondError::Answer("fewer vectors than texts".to_owned()))?;
        let lengths = vectors.iter().map(|vector| vector.len());
        if lengths.clone().min() != lengths.max() {
            return Err(SecondError::Answer("vectors of several lengths".to_owned()));
        }
        Ok(vectors)
    }

    async fn ask(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, SecondError> {
        let wanted = texts.len();
        let vectors = match &self.source {
            Source::Endpoint(endpoint) => endpoint.embed(&texts).await?,
            #[cfg(feature = "minilm")]
            Source::Folder(model) => minilm::MiniLm::embed(Arc::clone(model), texts).await?,
        };
        if vectors.len() == wanted {
            return Ok(vectors);
        }
        Err(SecondError::Answer(format!("{} vectors for {wanted} texts", vectors.len())))
    }
}

#[cfg(feature = "minilm")]
fn folder(path: &Path) -> Result<(Source, String), SecondError> {
    let name = path.file_name().map_or("minilm".into(), |name| name.to_string_lossy().into_owned());
    Ok((Source::Folder(Arc::new(minilm::MiniLm::open(path)?)), name))
}

#[cfg(not(feature = "minilm"))]
fn folder(path: &Path) -> Result<(Source, String), SecondError> {
    Err(SecondError::NotBuilt(path.to_owned()))
}

/// A vector of length 1.
fn normalised(mut vector: Vec<f32>) -> Result<Vec<f32>, SecondError> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(SecondError::Answer("a vector without a direction".to_owned()));
    }
    vector.iter_mut().for_each(|x| *x /= length);
    Ok(vector)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held between 0 and 1000")]
fn thousandths(one: &[f32], other: &[f32]) -> u16 {
    let cosine: f32 = one.iter().zip(other).map(|(a, b)| a * b).sum();
    (cosine.clamp(0.0, 1.0) * 1000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_is_of_directions_and_never_below_nothing() {
        let of = |vector: [f32; 2]| normalised(vector.to_vec()).unwrap();
        assert_eq!(thousandths(&of([3.0, 0.0]), &of([0.1, 0.0])), 1000);
        assert_eq!(thousandths(&of([1.0, 0.0]), &of([1.0, 1.0])), 707);
        assert_eq!(thousandths(&of([1.0, 0.0]), &of([-1.0, 0.0])), 0);
        assert!(normalised(vec![0.0, 0.0]).is_err());
        assert!(normalised(vec![f32::NAN, 1.0]).is_err());
    }

    #[test]
    fn a_place_that_is_none_is_refused_with_what_to_do() {
        let config = |place: &str, model: Option<&str>| SecondConfig {
            place: place.to_owned(),
            model: model.map(str::to_owned),
            key_file: None,
            timeout_ms: 1_000,
        };
        let refusal = |config| SecondModel::open(&config).err().unwrap().to_string();
        assert!(
            refusal(config("http://127.0.0.1/v1/embeddings", None)).contains("overlap.second_model_name")
        );
        assert!(refusal(config("http://", Some("m"))).contains("URL"));
        let folder = refusal(config("/nowhere/at/all", None));
        assert!(folder.contains("/nowhere/at/all"), "{folder}");
    }
}
