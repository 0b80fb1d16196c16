//! WordPiece as BERT (uncased) does it: texts to rows of the vocabulary. The steps are those of the reference
//! tokenizer: clean, space out ideographs, strip accents, lower, cut at spaces and punctuation, then the
//! longest known piece first. A test holds it to the reference's output.

use hashbrown::HashMap;
use icu_normalizer::DecomposingNormalizerBorrowed;
use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// A word of more characters is unknown as a whole, as in the reference.
const CHARACTERS_PER_WORD: usize = 100;

/// The row of what is not known.
const UNKNOWN: &str = "[UNK]";

/// Cuts texts into known pieces.
#[derive(Debug)]
pub(crate) struct WordPiece {
    starts: HashMap<Box<str>, u16>,
    continuations: HashMap<Box<str>, u16>,
    unknown: u16,
    /// Bytes of the longest piece.
    longest: usize,
}

impl WordPiece {
    /// A text as it is cut: clean, without accents, in lower case.
    pub(crate) fn plain(text: &str) -> String {
        normal(text).collect()
    }

    /// Whether a word is one piece.
    pub(crate) fn is_whole(&self, word: &str) -> bool {
        self.starts.contains_key(word)
    }

    /// From a vocabulary of one piece a line, its row being its line; nothing if it has no row for the unknown
    /// or too many of them.
    pub(crate) fn new(vocabulary: &str) -> Option<Self> {
        let mut starts: HashMap<Box<str>, u16> = HashMap::new();
        let mut continuations: HashMap<Box<str>, u16> = HashMap::new();
        for (row, piece) in vocabulary.lines().enumerate() {
            let row = u16::try_from(row).ok()?;
            match piece.strip_prefix("##") {
                Some(rest) if !rest.is_empty() => continuations.insert(rest.into(), row),
                _ => starts.insert(piece.into(), row),
            };
        }
        let unknown = *starts.get(UNKNOWN)?;
        let longest = starts.keys().chain(continuations.keys()).map(|piece| piece.len()).max()?;
        Some(Self { starts, continuations, unknown, longest })
    }

    /// The row of the unknown piece.
    pub(crate) fn unknown(&self) -> u16 {
        self.unknown
    }

    /// The rows of the first `most` pieces of a text.
    pub(crate) fn rows(&self, text: &str, most: usize) -> Vec<u16> {
        let mut rows = Vec::new();
        let mut word = String::new();
        for c in normal(text) {
            match kind(c) {
                Kind::Part => word.push(c),
                Kind::Space => self.end_word(&mut word, &mut rows),
                Kind::Alone => {
                    self.end_word(&mut word, &mut rows);
                    word.push(c);
                    self.end_word(&mut word, &mut rows);
                }
            }
            if rows.len() >= most {
                break;
            }
        }
        self.end_word(&mut word, &mut rows);
        rows.truncate(most);
        rows
    }

    fn end_word(&self, word: &mut String, rows: &mut Vec<u16>) {
        if word.is_empty() {
            return;
        }
        let before = rows.len();
        if word.chars().count() > CHARACTERS_PER_WORD || !self.cut(word, rows) {
            rows.truncate(before);
            rows.push(self.unknown);
        }
        word.clear();
    }

    /// Cuts one word; false where a part of it is unknown.
    fn cut(&self, word: &str, rows: &mut Vec<u16>) -> bool {
        let mut rest = word;
        let mut pieces = &self.starts;
        while !rest.is_empty() {
            let ends = (1..=rest.len().min(self.longest)).rev();
            let found = ends
                .filter_map(|end| rest.split_at_checked(end))
                .find_map(|(piece, rest)| Some((*pieces.get(piece)?, rest)));
            let Some((row, after)) = found else { return false };
            rows.push(row);
            rest = after;
            pieces = &self.continuations;
        }
        true
    }
}

enum Kind {
    Part,
    Space,
    Alone,
}

fn kind(c: char) -> Kind {
    match c {
        'a'..='z' | '0'..='9' => Kind::Part,
        c if c.is_whitespace() => Kind::Space,
        c if c.is_ascii_punctuation() || is_ideograph(c) || is_punctuation(c) => Kind::Alone,
        _ => Kind::Part,
    }
}

/// Clean, without accents, lower.
fn normal(text: &str) -> impl Iterator<Item = char> {
    let clean = text.chars().filter_map(|c| match c {
        '\t' | '\n' | '\r' => Some(' '),
        ' '..='~' => Some(c),
        c if c == '\u{fffd}' || is_other(c) => None,
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    });
    DecomposingNormalizerBorrowed::new_nfd()
        .normalize_iter(clean)
        .filter(|c| c.is_ascii() || get_general_category(*c) != Category::NonspacingMark)
        .flat_map(char::to_lowercase)
}

pub(crate) fn is_other(c: char) -> bool {
    use Category::{Control, Format, PrivateUse, Surrogate, Unassigned};
    matches!(get_general_category(c), Control | Format | PrivateUse | Surrogate | Unassigned)
}

fn is_punctuation(c: char) -> bool {
    use Category::{
        ClosePunctuation, ConnectorPunctuation, DashPunctuation, FinalPunctuation, InitialPunctuation,
        OpenPunctuation, OtherPunctuation,
    };
    matches!(
        get_general_category(c),
        ClosePunctuation
            | ConnectorPunctuation
            | DashPunctuation
            | FinalPunctuation
            | InitialPunctuation
            | OpenPunctuation
            | OtherPunctuation
    )
}

/// The blocks of ideographs that the reference spaces out; not those of Japanese kana or Korean.
fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}'
        | '\u{2a700}'..='\u{2b73f}' | '\u{2b740}'..='\u{2b81f}' | '\u{2b820}'..='\u{2ceaf}'
        | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}
