//! On a small model with made-up weights: what is shown is that words, masks and means are handled right, not that
//! the vectors mean anything.

use std::collections::HashMap;

use serde_json::json;

use super::*;

const WIDTH: usize = 8;
const WORDS: [&str; 9] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fix", "the", "login", "form", "password"];

/// Numbers between -1 and 1 that are always the same.
fn made_up(seed: &mut u64, count: usize) -> Vec<f32> {
    let mut next = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*seed >> 40) as f32 / f32::from(u16::MAX) / 128.0) - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn weights() -> HashMap<String, Tensor> {
    let mut seed = 7;
    let mut all = HashMap::new();
    let mut add = |name: String, shape: &[usize]| {
        let values = made_up(&mut seed, shape.iter().product());
        all.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    };
    add("embeddings.word_embeddings.weight".into(), &[WORDS.len(), WIDTH]);
    add("embeddings.position_embeddings.weight".into(), &[16, WIDTH]);
    add("embeddings.token_type_embeddings.weight".into(), &[2, WIDTH]);
    let layer = "encoder.layer.0";
    for part in
        ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
    {
        add(format!("{layer}.{part}.weight"), &[WIDTH, WIDTH]);
        add(format!("{layer}.{part}.bias"), &[WIDTH]);
    }
    add(format!("{layer}.intermediate.dense.weight"), &[16, WIDTH]);
    add(format!("{layer}.intermediate.dense.bias"), &[16]);
    add(format!("{layer}.output.dense.weight"), &[WIDTH, 16]);
    add(format!("{layer}.output.dense.bias"), &[WIDTH]);
    let norms = ["embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"];
    for norm in norms {
        add(format!("{norm}.LayerNorm.weight"), &[WIDTH]);
        add(format!("{norm}.LayerNorm.bias"), &[WIDTH]);
    }
    all
}

/// A folder as sentence models are published.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "vocab_size": WORDS.len(), "hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "hidden_act": "gelu", "hidden_dropout_prob": 0.0,
        "max_position_embeddings": 16, "type_vocab_size": 2, "initializer_range": 0.02,
        "layer_norm_eps": 1e-12, "pad_token_id": 0, "model_type": "bert",
    });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let vocab: HashMap<_, _> = WORDS.iter().enumerate().map(|(at, word)| (*word, at)).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] },
        "decoder": null,
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab },
    });
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    candle_core::safetensors::save(&weights(), folder.path().join("model.safetensors")).unwrap();
    folder
}

async fn embed(model: &Arc<MiniLm>, texts: &[&str]) -> Vec<Vec<f32>> {
    let texts = texts.iter().map(ToString::to_string).collect();
    MiniLm::embed(Arc::clone(model), texts).await.unwrap()
}

fn is_near(one: &[f32], other: &[f32]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-4)
}

#[tokio::test]
async fn a_text_has_one_vector_whatever_longer_text_stands_beside_it() {
    let folder = folder();
    let model = Arc::new(MiniLm::open(folder.path()).unwrap());
    let alone = embed(&model, &["fix the login"]).await;
    let among = embed(&model, &["fix the login", "fix the login form password form the fix"]).await;
    assert!(is_near(&alone[0], &among[0]), "padding changed it: {alone:?} {among:?}");
    assert!(!is_near(&among[0], &among[1]));
    assert!(is_near(&embed(&model, &["FIX The login"]).await[0], &alone[0]));
    assert_eq!(alone[0].len(), WIDTH);
}

#[tokio::test]
async fn more_words_than_it_has_places_for_are_cut() {
    let folder = folder();
    let model = Arc::new(MiniLm::open(folder.path()).unwrap());
    let long = "login ".repeat(500);
    assert_eq!(embed(&model, &[&long, ""]).await.len(), 2);
}

#[test]
fn a_folder_that_lacks_something_or_does_not_fit_is_refused_by_name() {
    let refusal = |spoil: &dyn Fn(&Path)| {
        let folder = folder();
        spoil(folder.path());
        MiniLm::open(folder.path()).err().unwrap().to_string()
    };
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let missing = refusal(&|folder| fs::remove_file(folder.join(file)).unwrap());
        assert!(missing.contains(file), "{missing}");
        let broken = refusal(&|folder| fs::write(folder.join(file), "{").unwrap());
        assert!(broken.contains(file), "{broken}");
    }
    let other = refusal(&|folder| {
        let mut weights = weights();
        weights.remove("encoder.layer.0.output.dense.bias");
        candle_core::safetensors::save(&weights, folder.join("model.safetensors")).unwrap();
    });
    assert!(other.contains("model.safetensors"), "{other}");
}
