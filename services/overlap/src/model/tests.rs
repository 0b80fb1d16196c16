use super::*;

const VOCABULARY: &str = include_str!("../../model/vocab.txt");
const ROWS: &[u8] = include_bytes!("../../model/static256.i8");
const SCALES: &[u8] = include_bytes!("../../model/static256.scale.f32");

/// Rows of the reference tokenizer (`tokenizers` in Python, with the model's `tokenizer.json`), a tab, the text.
const REFERENCE: &str = include_str!("../../tests/wordpiece.txt");

#[test]
fn pieces_are_those_of_the_reference_tokenizer() {
    let pieces = WordPiece::new(VOCABULARY).unwrap();
    let mut seen = 0;
    for line in REFERENCE.lines() {
        let (rows, text) = line.split_once('\t').unwrap();
        let text = text.replace("\\t", "\t").replace("\\0", "\0").replace("\\\\", "\\");
        let expected: Vec<u16> = rows.split_whitespace().map(|row| row.parse().unwrap()).collect();
        // What stands in brackets is a piece of its own to the reference, and text to us.
        if !text.contains("[UNK]") {
            assert_eq!(pieces.rows(&text, 10_000), expected, "{text:?}");
            assert_eq!(pieces.rows(&text, 3), expected[..expected.len().min(3)], "{text:?}");
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}

#[test]
fn a_damaged_model_is_refused_with_the_fix() {
    let mut rows = ROWS.to_vec();
    rows[4_000_000] ^= 1;
    let error = StaticModel::from_parts(VOCABULARY, &rows, SCALES, EMBEDDED).unwrap_err();
    assert!(matches!(error, ModelError::Corrupt { .. }));
    assert!(error.to_string().contains("git checkout -- services/overlap/model"), "{error}");
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let refuse = |vocabulary: &str, rows: &[u8], scales: &[u8]| {
        let hash = blake3::Hasher::new().update(vocabulary.as_bytes()).update(rows).update(scales).finalize();
        StaticModel::from_parts(vocabulary, rows, scales, &hash.to_hex()).unwrap_err()
    };
    let shape = refuse(VOCABULARY, &ROWS[..DIMENSIONS * 100], SCALES);
    assert_eq!(shape, ModelError::Shape { rows: 100, scales: 30_522 });
    assert_eq!(refuse("a\nb", &ROWS[..512], &SCALES[..8]), ModelError::Vocabulary);
    assert_eq!(refuse("[UNK]\nb\nc", &ROWS[..512], &SCALES[..8]), ModelError::Vocabulary);
}

#[test]
fn what_means_the_same_is_nearer() {
    let model = StaticModel::embedded().unwrap();
    let like =
        |one: &str, other: &str| crate::vector::cosine(&model.embed(one).vector, &model.embed(other).vector);
    let near = like("delete the user's account", "remove an account of a user");
    let far = like("delete the user's account", "render the chart in colour");
    assert!(near > 2 * far, "{near} {far}");
}

#[test]
fn other_languages_and_symbols_are_weak() {
    let model = StaticModel::embedded().unwrap();
    for text in ["", "  ", "Привет, мир", "日本語のテキスト", "مرحبا بالعالم", "🎉🚀", "12 34 56", "{}[]();"]
    {
        assert!(model.embed(text).is_weak, "{text:?}");
    }
    for text in ["Fix the build", "fn main() { println!() }", "naïve café"] {
        assert!(!model.embed(text).is_weak, "{text:?}");
    }
}
