//! Numbers and identifiers of a text: where they differ, so does the thing, however alike the rest.

use crate::words::hash;

/// Most of a text that are looked at.
const MOST: usize = 64;

/// Words that are numbers.
const WORDS: &[(&str, &str)] = &[
    ("double", "2"),
    ("eight", "8"),
    ("eighth", "8"),
    ("eleven", "11"),
    ("fifth", "5"),
    ("first", "1"),
    ("five", "5"),
    ("four", "4"),
    ("fourth", "4"),
    ("half", "0.5"),
    ("hundred", "100"),
    ("nine", "9"),
    ("ninth", "9"),
    ("once", "1"),
    ("one", "1"),
    ("second", "2"),
    ("seven", "7"),
    ("seventh", "7"),
    ("single", "1"),
    ("six", "6"),
    ("sixth", "6"),
    ("ten", "10"),
    ("tenth", "10"),
    ("third", "3"),
    ("thousand", "1000"),
    ("three", "3"),
    ("triple", "3"),
    ("twelve", "12"),
    ("twenty", "20"),
    ("twice", "2"),
    ("two", "2"),
    ("zero", "0"),
];

/// Units and one name for each.
const UNITS: &[(&str, &str)] = &[
    ("%", "%"),
    ("b", "b"),
    ("bytes", "b"),
    ("d", "d"),
    ("day", "d"),
    ("days", "d"),
    ("gb", "gb"),
    ("gib", "gb"),
    ("h", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("hrs", "h"),
    ("k", "k"),
    ("kb", "kb"),
    ("kib", "kb"),
    ("m", "m"),
    ("mb", "mb"),
    ("mib", "mb"),
    ("microseconds", "us"),
    ("milliseconds", "ms"),
    ("min", "min"),
    ("mins", "min"),
    ("minute", "min"),
    ("minutes", "min"),
    ("month", "month"),
    ("months", "month"),
    ("ms", "ms"),
    ("ns", "ns"),
    ("percent", "%"),
    ("px", "px"),
    ("s", "s"),
    ("sec", "s"),
    ("seconds", "s"),
    ("secs", "s"),
    ("tb", "tb"),
    ("us", "us"),
    ("week", "week"),
    ("weeks", "week"),
    ("year", "year"),
    ("years", "year"),
];

/// Numbers and identifiers of a text, as hashes, in order and each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Numbers {
    numbers: Vec<u32>,
    identifiers: Vec<u32>,
}

impl Numbers {
    /// Those of a text.
    pub(crate) fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self::of_ascii_digits(text);
        }
        Self::of_ascii_digits(&text.chars().map(super::wording::digit).collect::<String>())
    }

    fn of_ascii_digits(text: &str) -> Self {
        let mut found = Self::default();
        let mut unitless: Option<String> = None;
        for token in text.split(|c: char| c.is_whitespace() || "()[]{},;\"'`|".contains(c)) {
            if found.numbers.len() + found.identifiers.len() >= MOST {
                break;
            }
            let token = token.trim_matches(|c: char| ".:!?*".contains(c));
            if token.is_empty() {
                continue;
            }
            if let Some(number) = unitless.take() {
                match unit(&token.to_lowercase()) {
                    Some(unit) => {
                        found.numbers.push(hash(&(number + unit)));
                        continue;
                    }
                    None => found.numbers.push(hash(&number)),
                }
            }
            unitless = found.see(token);
        }
        found.numbers.extend(unitless.map(|number| hash(&number)));
        found.sort();
        found
    }

    /// Takes a token in; gives back a number that the next token may be the unit of.
    fn see(&mut self, token: &str) -> Option<String> {
        if let Some(number) = spelt_out(token) {
            return Some(number.to_owned());
        }
        if is_identifier(token) {
            self.identifiers.push(hash(&token.to_lowercase()));
        }
        let mut waiting = None;
        let mut rest = token;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (_, from) = rest.split_at_checked(start)?;
            let end = from.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(from.len());
            let (digits, after) = from.split_at_checked(end)?;
            let number = digits.replace('_', "").trim_end_matches('.').to_owned();
            let letters = after.find(|c: char| !c.is_ascii_alphabetic() && c != '%').unwrap_or(after.len());
            let (letters, _) = after.split_at_checked(letters)?;
            match unit(&letters.to_lowercase()) {
                Some(unit) => self.numbers.push(hash(&(number + unit))),
                None if after.is_empty() => waiting = Some(number),
                None => self.numbers.push(hash(&number)),
            }
            rest = after;
        }
        waiting
    }

    fn sort(&mut self) {
        for list in [&mut self.numbers, &mut self.identifiers] {
            list.sort_unstable();
            list.dedup();
        }
    }

    /// Takes those of another text in too.
    pub(crate) fn join(&mut self, other: &Self) {
        self.numbers.extend_from_slice(&other.numbers);
        self.identifiers.extend_from_slice(&other.identifiers);
        self.sort();
    }

    /// Whether each title has a number, or each an identifier, that the other's whole text has not.
    pub(crate) fn differs(&self, other: &Self, whole: &Self, other_whole: &Self) -> bool {
        let both = |numbers: fn(&Self) -> &[u32]| {
            lacks(numbers(self), numbers(other_whole)) && lacks(numbers(other), numbers(whole))
        };
        both(|of| &of.numbers) || both(|of| &of.identifiers)
    }

    /// Whether each has a number, or each an identifier, that the other has not. More detail in one of them is
    /// no difference.
    pub(crate) fn differ(&self, other: &Self) -> bool {
        self.differs(other, self, other)
    }
}

/// Whether one has what the other has not.
fn lacks(one: &[u32], other: &[u32]) -> bool {
    one.iter().any(|key| other.binary_search(key).is_err())
}

/// The number that a word is.
pub(super) fn spelt_out(token: &str) -> Option<&'static str> {
    if token.len() > 8 || !token.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let first = token.bytes().next()?.to_ascii_lowercase();
    let (_, number) = WORDS
        .iter()
        .find(|(word, _)| word.as_bytes().first() == Some(&first) && word.eq_ignore_ascii_case(token))?;
    Some(number)
}

/// One name for a unit.
pub(super) fn unit(word: &str) -> Option<&'static str> {
    let at = UNITS.binary_search_by_key(&word, |(unit, _)| unit).ok()?;
    UNITS.get(at).map(|(_, name)| *name)
}

/// Whether a token is spelt as names in code are: with an underscore or a path's separator, a flag, a dot or two
/// colons inside, capitals after small letters, a call's parentheses being cut off before.
fn is_identifier(token: &str) -> bool {
    let inner = token.trim_matches(|c: char| !c.is_alphanumeric());
    let letters = inner.chars().filter(|c| c.is_ascii_alphabetic()).count();
    let is_camel = inner
        .as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if !a.is_ascii_uppercase() && a.is_ascii_alphanumeric() && b.is_ascii_uppercase()));
    letters >= 3
        && (is_camel || token.starts_with("--") || inner.contains(['_', '.']) || inner.contains("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(one: &str, other: &str) -> bool {
        let (one, other) = (Numbers::of(one), Numbers::of(other));
        assert_eq!(one.differ(&other), other.differ(&one));
        one.differ(&other)
    }

    #[test]
    fn another_number_is_another_thing() {
        assert!(differ("timeout of 30 s", "timeout of 60 s"));
        assert!(differ("timeout of 30s", "timeout of 30 ms"));
        assert!(differ("upgrade to 1.2.3", "upgrade to 1.2.4"));
        assert!(differ("phase one", "phase two"));
        assert!(differ("limit 10MB", "limit 10 GB"));
        assert!(differ("port 8080", "port 8081."));
    }

    #[test]
    fn the_same_number_in_other_clothes_is_the_same() {
        assert!(!differ("timeout of 30 s", "timeout of 30 seconds"));
        assert!(!differ("30% of users", "30 percent of users"));
        assert!(!differ("phase 2", "the second phase"));
        assert!(!differ("1_000 items", "1000 items"));
    }

    #[test]
    fn detail_on_one_side_is_no_difference() {
        assert!(!differ("raise the timeout to 30 s", "raise the timeout"));
        assert!(!differ("fix read_file", "fix reading"));
    }

    #[test]
    fn another_identifier_is_another_thing() {
        assert!(differ("panic in parse_header", "panic in parse_body"));
        assert!(differ("UserService leaks", "OrderService leaks"));
        assert!(differ("document --json", "document --yaml"));
        assert!(differ("orphan.go breaks", "namepool.go breaks"));
        assert!(differ("mock S3Client", "mock SqsClient"));
        assert!(differ("inline std::mem::swap", "inline std::mem::take"));
        assert!(!differ("panic in parse_header()", "panic of `parse_header`"));
    }

    #[test]
    fn tables_are_in_order_to_be_found() {
        assert!(WORDS.iter().all(|(word, _)| word.len() <= 8));
        assert!(UNITS.is_sorted_by_key(|(word, _)| word));
    }
}
