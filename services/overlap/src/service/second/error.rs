//! What goes wrong with a second model.

use std::path::PathBuf;

/// Why a second model cannot be used, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum SecondError {
    /// A server is asked for a model by name.
    #[error(
        "the setting `overlap.second_model` names a server: say in `overlap.second_model_name` which model it is to use"
    )]
    NoName,
    /// The setting is no URL.
    #[error("the setting `overlap.second_model` is no URL that can be asked: {0}")]
    Url(String),
    /// The key cannot be read.
    #[error("the file of the setting `overlap.second_model_key_file`, {path}, cannot be used: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// This binary was built without what it takes to run a model.
    #[error(
        "the setting `overlap.second_model` names the folder {0}, and this binary was built without local models: build it with `cargo build --release -p selvedge --features minilm`, or name the URL of a server"
    )]
    NotBuilt(PathBuf),
    /// The folder holds no model that can be used.
    #[error(
        "the folder {path} of the setting `overlap.second_model` holds no model that can be used: {reason}; it needs config.json, tokenizer.json and model.safetensors of a BERT sentence model"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It did not answer.
    #[error("the second model did not answer: {0}")]
    Unanswered(String),
    /// It answered what cannot be.
    #[error("the second model answered with {0}")]
    Answer(String),
    /// It broke off.
    #[error("the second model broke off: {0}")]
    Broken(String),
}
