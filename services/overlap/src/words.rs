//! Words of a text as the word index counts them: identifiers cut into their parts, lower case, without
//! endings, without the words that every text has. A word is known by a hash of 32 bits.

use std::sync::LazyLock;

/// Words that every text has.
const STOP: &[&str] = &[
    "a", "about", "all", "also", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by",
    "can", "do", "does", "for", "from", "had", "has", "have", "i", "if", "in", "into", "is", "it", "its",
    "itself", "may", "of", "on", "or", "our", "should", "so", "some", "such", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "to", "was", "we", "were", "what", "when",
    "which", "while", "will", "with", "would", "you", "your",
];

/// Bytes of the longest of them.
const LONGEST_STOP: usize = 6;

/// Most endings of one word.
const ENDINGS_EACH: usize = 3;

/// Their hashes, in order.
static STOPS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut hashes: Vec<u32> = STOP.iter().map(|word| hash(word)).collect();
    hashes.sort_unstable();
    hashes
});

/// Endings and what stands for them; the first that fits is cut.
const ENDINGS: &[(&str, &str)] = &[
    ("mentations", ""),
    ("mentation", ""),
    ("ations", "at"),
    ("ation", "at"),
    ("izing", "iz"),
    ("ized", "iz"),
    ("izes", "iz"),
    ("ize", "iz"),
    ("ments", ""),
    ("ment", ""),
    ("ings", ""),
    ("ing", ""),
    ("ies", "y"),
    ("ied", "y"),
    ("edly", ""),
    ("ed", ""),
    ("es", ""),
    ("ly", ""),
    ("s", ""),
    ("e", ""),
];

/// A word's hash: FNV-1a of 64 bits, folded.
pub(crate) fn hash(word: &str) -> u32 {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

/// The hash of a word without its ending; nothing for one that every text has.
pub(crate) fn stem_hash(word: &str) -> Option<u32> {
    if word.len() <= LONGEST_STOP && STOPS.binary_search(&hash(word)).is_ok() {
        return None;
    }
    let mut stem = Stem { text: word, tail: "" };
    if word.len() >= 4 && word.is_ascii() && !word.bytes().all(|byte| byte.is_ascii_digit()) {
        stem = Stem::of(word);
    }
    Some(stem.hash())
}

struct Stem<'a> {
    text: &'a str,
    tail: &'static str,
}

impl<'a> Stem<'a> {
    /// Cuts endings, one behind the other, until one is replaced: `implementing`, `implement`, `imple`, `impl`.
    fn of(word: &'a str) -> Self {
        let mut stem = Self { text: word, tail: "" };
        for _ in 0..ENDINGS_EACH {
            match Self::cut(stem.text) {
                Some(cut) if cut.tail.is_empty() => stem = cut,
                Some(cut) => return cut,
                None => break,
            }
        }
        Self { text: single(stem.text), tail: "" }
    }

    fn cut(word: &'a str) -> Option<Self> {
        let last = word.as_bytes().last();
        let endings = ENDINGS.iter().filter(|(ending, _)| ending.as_bytes().last() == last);
        endings.into_iter().find_map(|(ending, tail)| {
            let text = word.strip_suffix(ending)?;
            let is_double_s = *ending == "s" && text.ends_with('s');
            (text.len() >= 3 && !is_double_s).then_some(Self { text, tail })
        })
    }

    fn hash(&self) -> u32 {
        if self.tail.is_empty() {
            return hash(self.text);
        }
        let mut whole = [0_u8; 64];
        let bytes = self.text.bytes().chain(self.tail.bytes());
        let mut length = 0;
        for (to, byte) in whole.iter_mut().zip(bytes) {
            *to = byte;
            length += 1;
        }
        whole.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).map_or(0, hash)
    }
}

/// Without a consonant that an ending doubled: `stopp`.
fn single(text: &str) -> &str {
    match text.as_bytes() {
        [_, _, .., before, last] if before == last && !b"lsz".contains(last) => {
            text.split_at_checked(text.len() - 1).map_or(text, |(text, _)| text)
        }
        _ => text,
    }
}

/// Shows each word of a text to `see`, at most `most` of them: its hash without ending, and itself in lower
/// case. An identifier of several parts is shown whole after them.
pub(crate) fn each(text: &str, most: usize, mut see: impl FnMut(u32, &str)) {
    let mut left = most;
    let mut lower = String::new();
    let mut whole = String::new();
    for token in text.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty()) {
        whole.clear();
        let mut parts = 0_usize;
        for part in (Parts { rest: token }) {
            lower.clear();
            lower.extend(part.chars().flat_map(char::to_lowercase));
            whole.push_str(&lower);
            parts += 1;
            if let (true, Some(hash)) = (left > 0, stem_hash(&lower)) {
                see(hash, &lower);
                left -= 1;
            }
        }
        if parts > 1 && left > 0 {
            see(hash(&whole), &whole);
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
}

/// Parts of an identifier: `HTTPServer2` is HTTP, Server, 2.
struct Parts<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let mut characters = self.rest.char_indices().peekable();
        let (_, mut last) = characters.next()?;
        let mut end = self.rest.len();
        while let Some((at, c)) = characters.next() {
            let ends_capitals = last.is_uppercase()
                && c.is_uppercase()
                && characters.peek().is_some_and(|(_, next)| next.is_lowercase());
            let is_edge = last.is_numeric() != c.is_numeric()
                || (last.is_lowercase() && c.is_uppercase())
                || is_ideograph(c)
                || is_ideograph(last);
            if ends_capitals || is_edge {
                end = at;
                break;
            }
            last = c;
        }
        let (part, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(part)
    }
}

/// Scripts without spaces: each character is a word.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        each(text, 100, |_, word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn identifiers_are_cut_and_kept_whole() {
        assert_eq!(
            seen("HTTPServer2 reads fooBar_baz"),
            ["http", "server", "2", "httpserver2", "reads", "foo", "bar", "foobar", "baz"]
        );
        assert_eq!(seen("the of and"), Vec::<String>::new());
        assert_eq!(seen("日本 x"), ["日", "本", "日本", "x"]);
    }

    #[test]
    fn endings_do_not_count() {
        for (one, other) in [
            ("implements", "implementing"),
            ("implementation", "implementations"),
            ("stopped", "stop"),
            ("queries", "query"),
            ("cache", "caching"),
            ("normalize", "normalized"),
        ] {
            assert_eq!(stem_hash(one), stem_hash(other), "{one} {other}");
        }
        assert_ne!(stem_hash("class"), stem_hash("clas"));
        assert_ne!(stem_hash("export"), stem_hash("import"));
    }

    #[test]
    fn stop_words_are_no_longer_than_is_looked_for() {
        assert_eq!(STOP.iter().map(|word| word.len()).max(), Some(LONGEST_STOP));
        assert_eq!(stem_hash("should"), None);
    }

    #[test]
    fn no_more_words_are_seen_than_asked_for() {
        let mut count = 0;
        each(&"fooBar ".repeat(1_000), 10, |_, _| count += 1);
        assert_eq!(count, 10);
    }
}
