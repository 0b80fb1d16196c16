//! A sentence model of the BERT family in a local folder, as `all-MiniLM-L6-v2` is published: the mean of the last
//! layer over the text's words (Reimers and Gurevych, 2019).

use std::{fs, path::Path, sync::Arc};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokenizers::{PaddingParams, PaddingStrategy, Tokenizer, TruncationParams};

use super::SecondError;

/// Words of a text that are looked at.
const MAX_WORDS: usize = 256;
/// Texts that are worked on at once: memory grows with it.
const AT_ONCE: usize = 16;
/// Largest file of weights in bytes: 2 GiB.
const MAX_MODEL_BYTES: u64 = 2 << 30;

/// The model in memory.
pub(super) struct MiniLm {
    model: BertModel,
    tokenizer: Tokenizer,
    /// One text after the other: more would only wait for each other's processors.
    turn: Arc<tokio::sync::Semaphore>,
}

impl MiniLm {
    /// Reads it.
    ///
    /// # Errors
    /// [`SecondError::Folder`] if a file is missing or does not fit the others.
    pub(super) fn open(folder: &Path) -> Result<Self, SecondError> {
        let unusable = |reason: String| SecondError::Folder { path: folder.to_owned(), reason };
        let read = |name: &str| {
            let path = folder.join(name);
            let size = fs::metadata(&path).map_err(|error| unusable(format!("{name}: {error}")))?.len();
            if size > MAX_MODEL_BYTES {
                return Err(unusable(format!("{name} has {size} bytes, more than {MAX_MODEL_BYTES}")));
            }
            fs::read(&path).map_err(|error| unusable(format!("{name}: {error}")))
        };
        let config: Config = serde_json::from_slice(&read("config.json")?)
            .map_err(|error| unusable(format!("config.json: {error}")))?;
        let mut tokenizer = Tokenizer::from_bytes(read("tokenizer.json")?)
            .map_err(|error| unusable(format!("tokenizer.json: {error}")))?;
        let words = MAX_WORDS.min(config.max_position_embeddings);
        tokenizer
            .with_truncation(Some(TruncationParams { max_length: words, ..TruncationParams::default() }))
            .map_err(|error| unusable(format!("tokenizer.json: {error}")))?;
        tokenizer.with_padding(Some(PaddingParams {
            strategy: PaddingStrategy::BatchLongest,
            pad_id: u32::try_from(config.pad_token_id).unwrap_or(0),
            ..PaddingParams::default()
        }));
        let of_weights = |error: candle_core::Error| unusable(format!("model.safetensors: {error}"));
        let weights =
            VarBuilder::from_buffered_safetensors(read("model.safetensors")?, DType::F32, &Device::Cpu);
        let model = BertModel::load(weights.map_err(of_weights)?, &config).map_err(of_weights)?;
        Ok(Self { model, tokenizer, turn: Arc::new(tokio::sync::Semaphore::new(1)) })
    }

    /// A vector for each text, on a thread of its own.
    pub(super) async fn embed(model: Arc<Self>, texts: Vec<String>) -> Result<Vec<Vec<f32>>, SecondError> {
        let turn = Arc::clone(&model.turn).acquire_owned().await;
        let turn = turn.map_err(|error| SecondError::Broken(error.to_string()))?;
        let work = move || -> Result<Vec<Vec<f32>>, SecondError> {
            let _turn = turn; // also if nobody waits any more: what was begun goes on
            let mut vectors = Vec::with_capacity(texts.len());
            for part in texts.chunks(AT_ONCE) {
                vectors.extend(model.compute(part)?);
            }
            Ok(vectors)
        };
        let computed = tokio::task::spawn_blocking(work).await;
        computed.map_err(|error| SecondError::Broken(error.to_string()))?
    }

    fn compute(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, SecondError> {
        let encoded = self.tokenizer.encode_batch(texts.to_vec(), true);
        let encoded = encoded.map_err(|error| SecondError::Broken(error.to_string()))?;
        let ids: Vec<Vec<u32>> = encoded.iter().map(|text| text.get_ids().to_vec()).collect();
        let mask: Vec<Vec<u32>> = encoded.iter().map(|text| text.get_attention_mask().to_vec()).collect();
        self.means(ids, mask).map_err(|error| SecondError::Broken(error.to_string()))
    }

    /// The mean of the last layer over what is no padding.
    fn means(&self, ids: Vec<Vec<u32>>, mask: Vec<Vec<u32>>) -> candle_core::Result<Vec<Vec<f32>>> {
        let (ids, mask) = (Tensor::new(ids, &Device::Cpu)?, Tensor::new(mask, &Device::Cpu)?);
        let layer = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let mask = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        let sums = layer.broadcast_mul(&mask)?.sum(1)?;
        sums.broadcast_div(&mask.sum(1)?)?.to_vec2::<f32>()
    }
}

#[cfg(test)]
mod tests;
