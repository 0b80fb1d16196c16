//! How two texts are worded: the same words in another order, or one word, sign or letter for another, can be the
//! difference between two things that are alike in everything else. Nothing here lowers a score: it says what is not
//! held for the same as good as surely.

use std::sync::OnceLock;

use icu_normalizer::DecomposingNormalizerBorrowed;
use unicode_general_category::{GeneralCategory as Category, get_general_category};

use super::{number, polarity};
use crate::{
    features::Features,
    item::Text,
    words::{hash, stem_hash},
};

/// Words of a text that are looked at.
const WORDS: usize = 160;
/// Words that each of two texts has and the other lacks, up to which the rest is still much the same; a character of a
/// script without spaces counts for half a word.
const OTHERS: usize = 3;
/// Letters of the shortest word that is spelt in two ways.
const LETTERS: usize = 5;

/// Words that say nothing about what is wanted. Those that say from where to where are none of them.
const LIGHT: &[&str] = &[
    "a", "also", "am", "an", "and", "are", "at", "be", "been", "can", "could", "did", "do", "does", "for",
    "had", "has", "have", "i", "in", "is", "it", "its", "my", "of", "on", "our", "please", "should", "so",
    "that", "the", "their", "there", "these", "they", "this", "those", "was", "we", "were", "which", "will",
    "would", "you", "your",
];

/// Words that take something out of what is said, or let nothing else in.
const LIMITS: &[&str] = &[
    "apart",
    "ausser",
    "besides",
    "but",
    "except",
    "excepting",
    "excepto",
    "excluding",
    "instead",
    "nur",
    "only",
    "other",
    "salvo",
    "sauf",
    "seulement",
    "solo",
    "unless",
    "until",
];

/// Signs that stand for something, alone or at a word.
const SIGNS: &str = "<>=!+*%^~#@&|/\\-";

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// Of its stem, or of the number or unit that it is.
    key: u32,
    text: Box<str>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    /// A character of a script without spaces between words, or a symbol.
    Character,
}

/// The words of a text in their order, and its signs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wording {
    words: Vec<Word>,
    /// Hashes, in order.
    signs: Vec<u32>,
    limits: Vec<u32>,
}

/// How two texts differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// In the order of words that both have.
    pub(crate) order: bool,
    /// Each has a word or a sign that the other lacks, or one a number more.
    pub(crate) words: bool,
    /// The same, but of words no more than one for another one.
    pub(crate) one_word: bool,
    /// In a few words at most.
    pub(crate) is_small: bool,
    /// In nothing.
    pub(crate) is_none: bool,
}

/// How title and description of a text are worded, worked out when they are first asked for.
#[derive(Debug, Default)]
pub(crate) struct Wordings {
    title: OnceLock<Wording>,
    description: OnceLock<Wording>,
}

impl Wordings {
    fn title(&self, text: &Text) -> &Wording {
        self.title.get_or_init(|| Wording::of(text.title()))
    }

    fn description(&self, text: &Text) -> &Wording {
        self.description.get_or_init(|| Wording::of(text.description()))
    }
}

/// Adds to what is known of two texts how they are worded.
pub(crate) fn worded(
    features: Features,
    [one, other]: [&Text; 2],
    [first, second]: [&Wordings; 2],
) -> Features {
    let titles = first.title(one).difference(second.title(other));
    let features = Features { order_differs: titles.order, words_differ: titles.words, ..features };
    let has_description = |text: &Text| !text.description().trim().is_empty();
    if !titles.is_none || !has_description(one) || !has_description(other) {
        return features;
    }
    // The titles say the same: what differs stands in the descriptions.
    let bodies = first.description(one).difference(second.description(other));
    let opposes = || {
        let [one, other] = [one, other].map(|text| polarity::Polarity::of(text.description()));
        one.opposes(&other)
    };
    Features {
        order_differs: bodies.order,
        // Under one title, descriptions that differ in more are two people's words for one thing.
        words_differ: bodies.one_word,
        is_opposite: features.is_opposite || (bodies.is_small && !bodies.is_none && opposes()),
        ..features
    }
}

impl Wording {
    /// That of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut wording = Self::default();
        let plain: String = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars()).collect();
        for (at, token) in plain.split_whitespace().enumerate() {
            if wording.words.len() >= WORDS {
                break;
            }
            wording.see(token, at == 0);
        }
        wording.signs.sort_unstable();
        wording.limits.sort_unstable();
        wording
    }

    fn see(&mut self, token: &str, is_first: bool) {
        let is_edge = |c: char| "()[]{}\"'`,;:.?…“”„«»‘’".contains(c);
        let token = token.trim_matches(is_edge).trim_end_matches('!');
        let is_single = token.chars().nth(1).is_none();
        if token.chars().all(|c| "-–—".contains(c) || is_single && "|/&".contains(c)) {
            return; // between two parts of a sentence
        }
        let is_inside = |c: char| c.is_alphanumeric() || is_symbol(c) || is_mark(c);
        let front = token.find(is_inside).unwrap_or(token.len());
        let (front, rest) = token.split_at_checked(front).unwrap_or((token, ""));
        let end = rest.trim_end_matches(|c: char| SIGNS.contains(c)).len();
        let (inside, back) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let is_flag =
            front.starts_with("--") || front == "-" && !inside.starts_with(|c: char| c.is_numeric());
        let is_number_sign = front == "#" || front == "@";
        if !front.is_empty() && !is_flag && !is_number_sign {
            self.sign(front);
        }
        for part in inside.split(|c: char| !is_inside(c)).filter(|part| !part.is_empty()) {
            self.parts(part, is_first);
        }
        match back {
            "" | "-" | "/" => {}
            "%" => self.push("%".to_owned(), Kind::Word),
            back => self.sign(back),
        }
    }

    fn sign(&mut self, sign: &str) {
        let signs = sign.replace(['−', '–'], "-");
        self.signs.push(hash(&signs));
    }

    /// A run of letters, digits and symbols, cut where one sort ends and another begins.
    fn parts(&mut self, run: &str, is_first: bool) {
        let mut part = String::new();
        let mut before = None;
        for c in run.chars().filter(|c| !is_mark(*c)) {
            let sort = match c {
                c if is_unspaced(c) || is_symbol(c) => Kind::Character,
                c if c.is_numeric() => Kind::Number,
                _ => Kind::Word,
            };
            if before.is_some_and(|before| before != sort || sort == Kind::Character) {
                self.part(&std::mem::take(&mut part), before, is_first);
            }
            part.push(digit(c));
            before = Some(sort);
        }
        self.part(&part, before, is_first);
    }

    fn part(&mut self, part: &str, kind: Option<Kind>, is_first: bool) {
        let Some(kind) = kind else { return };
        let lower = part.to_lowercase();
        // A capital alone is a name, but for the article that a sentence begins with.
        let is_letter =
            part.chars().count() == 1 && part != lower && !(is_first && lower == "a") && part != "I";
        if LIMITS.binary_search(&&*lower).is_ok() {
            self.limits.push(hash(&lower));
        } else if is_letter || LIGHT.binary_search(&&*lower).is_err() {
            self.push(lower, kind);
        }
    }

    fn push(&mut self, text: String, kind: Kind) {
        let number = number::spelt_out(&text).or_else(|| number::unit(&text));
        let kind = if number.is_some() && kind == Kind::Word { Kind::Word } else { kind };
        let key = match (number, kind) {
            (Some(number), _) => hash(number),
            // Of letters alone, as in `https`, an ending is none.
            (None, Kind::Word) if text.contains(is_vowel) => stem_hash(&text).unwrap_or_else(|| hash(&text)),
            (None, _) => hash(&text),
        };
        self.words.push(Word { key, text: text.into(), kind });
    }

    /// How it differs from another one; the same from either side.
    pub(crate) fn difference(&self, other: &Self) -> Difference {
        let (mut left, mut right) = (lacking(&self.words, &other.words), lacking(&other.words, &self.words));
        left.retain(|one| match right.iter().position(|other| one.is_like(other)) {
            Some(at) => {
                right.remove(at);
                false
            }
            None => true,
        });
        let weight = |words: &[&Word]| -> usize {
            words.iter().map(|word| if word.kind == Kind::Character { 1 } else { 2 }).sum()
        };
        let is_small = weight(&left).max(weight(&right)) <= 2 * OTHERS;
        let both = !left.is_empty() && !right.is_empty() && is_small;
        let has_number = left.iter().chain(&right).any(|word| word.kind == Kind::Number);
        let is_one_more = has_number && left.len() + right.len() <= 2;
        let signs = self.signs != other.signs || self.limits != other.limits;
        let by_stem = || is_inverted(&self.words, &other.words, |word| word.key);
        let by_text = || is_inverted(&self.words, &other.words, |word| word.text.clone());
        let order = is_small && (by_stem() || by_text());
        let words = both || is_one_more || signs;
        let one_word = words && (signs || is_one_more || left.len().max(right.len()) <= 1);
        let is_none = left.is_empty() && right.is_empty() && !order && !signs;
        Difference { order, words, one_word, is_small, is_none }
    }
}

impl Word {
    /// Whether it means the same: by the table of opposites, or by another spelling.
    fn is_like(&self, other: &Self) -> bool {
        let both_words = self.kind == Kind::Word && other.kind == Kind::Word;
        both_words
            && (polarity::on_one_side(&self.text, &other.text) || is_spelt_otherwise(&self.text, &other.text))
    }
}

/// Words of one text that another has not, each as often as it is there more often.
fn lacking<'a>(words: &'a [Word], others: &[Word]) -> Vec<&'a Word> {
    let mut there: Vec<u32> = others.iter().map(|word| word.key).collect();
    let mut lacks = |word: &&Word| match there.iter().position(|key| *key == word.key) {
        Some(at) => {
            there.swap_remove(at);
            false
        }
        None => true,
    };
    words.iter().filter(|word| lacks(word)).collect()
}

/// Whether of the words that both texts have once, two stand in another order.
fn is_inverted<K: PartialEq>(words: &[Word], others: &[Word], key: impl Fn(&Word) -> K) -> bool {
    let once = |words: &[Word], wanted: &K| words.iter().filter(|word| key(word) == *wanted).count() == 1;
    let mut last = None;
    for wanted in words.iter().map(&key).filter(|wanted| once(words, wanted) && once(others, wanted)) {
        let at = others.iter().position(|other| key(other) == wanted);
        if last > at {
            return true;
        }
        last = at;
    }
    false
}

fn is_vowel(c: char) -> bool {
    !c.is_ascii() || "aeiouy".contains(c)
}

/// Whether two words are one, as it is spelt on one side of the Atlantic and on the other.
fn is_spelt_otherwise(one: &str, other: &str) -> bool {
    let plain = |word: &str| {
        let american =
            word.replace("our", "or").replace("ise", "ize").replace("isa", "iza").replace("isi", "izi");
        american.replace("ll", "l").replace("tre", "ter").replace("ogue", "og")
    };
    one.chars().count() >= LETTERS && one.starts_with(|c| other.starts_with(c)) && plain(one) == plain(other)
}

/// The digit that stands for a digit of another script.
pub(crate) fn digit(c: char) -> char {
    if c.is_ascii() || get_general_category(c) != Category::DecimalNumber {
        return c;
    }
    // Digits stand in rows of ten, which begin at a multiple of sixteen, or six behind one.
    let place = u32::from(c) & 0xf;
    let is_digit =
        |at: u32| char::from_u32(at).is_some_and(|c| get_general_category(c) == Category::DecimalNumber);
    let value = if is_digit(u32::from(c) - place) { place } else { place.saturating_sub(6) };
    char::from_digit(value, 10).unwrap_or(c)
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && matches!(get_general_category(c), Category::NonspacingMark | Category::EnclosingMark)
}

fn is_symbol(c: char) -> bool {
    use Category::{CurrencySymbol, MathSymbol, OtherSymbol};
    let is_money = c == '$';
    is_money || !c.is_ascii() && matches!(get_general_category(c), CurrencySymbol | MathSymbol | OtherSymbol)
}

/// Whether a script has no spaces between words: ideographs, kana, Thai and its neighbours.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(one: &str, other: &str) -> Difference {
        let (one, other) = (Wording::of(one), Wording::of(other));
        assert_eq!(one.difference(&other), other.difference(&one));
        one.difference(&other)
    }

    #[test]
    fn the_same_words_in_another_order_point_elsewhere() {
        for (one, other) in [
            ("Migrate from MySQL to Postgres", "Migrate from Postgres to MySQL"),
            ("Ada reviews the code of Bob", "Bob reviews the code of Ada"),
            ("A follows B", "B follows A"),
            ("Let user A follow user B", "Let user B follow user A"),
            ("Rebase feature onto main", "Rebase main onto feature"),
            ("The client calls the server", "The server called the client"),
            ("Redirect http to https", "Redirect https to http"),
        ] {
            assert!(difference(one, other).order, "{one} | {other}");
        }
        assert!(!difference("Add the cache", "add a cache!").order);
    }

    #[test]
    fn one_word_sign_letter_or_digit_for_another_is_seen() {
        for (one, other) in [
            ("Empty queue A", "Empty queue B"),
            ("Set the gain to -5", "Set the gain to 5"),
            ("Warn if usage > 90", "Warn if usage < 90"),
            ("Handle a == b", "Handle a != b"),
            ("Port it to C", "Port it to C++"),
            ("Port it to C#", "Port it to C"),
            ("Notify all", "Notify all but admins"),
            ("Copy from staging", "Copy to staging"),
            ("Release v1.0", "Release v1.0-rc1"),
            ("Stufe ٥", "Stufe ٦"),
            ("Schritt ５", "Schritt ６"),
            ("Add ½ cup", "Add ¼ cup"),
            ("启用缓存", "禁用缓存"),
            ("添加用户标签", "删除用户标签"),
            ("Cache aktivieren", "Cache deaktivieren"),
            ("Vote 👍 by default", "Vote 👎 by default"),
            ("Charge $5", "Charge €5"),
            ("Deploy to eu-west", "Deploy to us-west"),
            ("Listen for http", "Listen for https"),
            ("Read x && y", "Read x || y"),
            ("Fly to Iceland", "Fly to Ireland"),
            ("Send the contact", "Send the contract"),
        ] {
            assert!(difference(one, other).words, "{one} | {other}");
        }
    }

    #[test]
    fn the_same_in_other_clothes_differs_in_nothing() {
        for (one, other) in [
            ("Fix the login-form", "fixing login form"),
            ("Wait for 30 s", "Wait for 30 seconds"),
            ("Wait for 30s", "Wait for 30 seconds."),
            ("Cover 80% of it", "Cover 80 percent of it"),
            ("Add a cache", "Create the cache"),
            ("Normalise the colours", "Normalize the colors"),
            ("Stufe ٥", "stufe 5"),
            ("Step ５", "step 5"),
            ("Phase two", "Phase 2"),
            ("Café menu", "Cafe menu"),
        ] {
            assert!(difference(one, other).is_none, "{one} | {other}: {:?}", difference(one, other));
        }
    }

    #[test]
    fn more_detail_on_one_side_is_no_difference() {
        for (one, other) in [
            ("Fix the crash", "Fix the crash of the login form"),
            ("Raise the timeout", "Raise the timeout to 30 s for uploads"),
        ] {
            let found = difference(one, other);
            assert!(!found.words && !found.order, "{one} | {other}");
        }
    }

    #[test]
    fn tables_are_in_order_to_be_found() {
        assert!(LIGHT.is_sorted() && LIMITS.is_sorted());
    }
}
