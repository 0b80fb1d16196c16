//! Texts without end: recombined from the tickets of corpora, which are no part of the project, or of made-up words
//! as common as words are.

use std::{fs, path::Path};

/// Made-up words.
const VOCABULARY: u64 = 60_000;
/// Files of the corpora: id, group, title and description in columns.
const FILES: [&str; 2] = ["agent_tasks_corpus.tsv", "gitbugs_corpus.tsv"];

pub(crate) enum Texts {
    /// Titles and descriptions.
    Tickets(Vec<(String, String)>),
    MadeUp,
}

impl Texts {
    /// Those of a folder; made-up ones without one.
    pub(crate) fn of(folder: Option<&Path>) -> Self {
        let Some(folder) = folder else { return Self::MadeUp };
        let read = |file| {
            let path = folder.join(file);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("no corpus {}: {error}", path.display()))
        };
        let ticket = |line: &str| {
            let mut fields = line.split('\t').skip(2);
            Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
        };
        let tickets =
            FILES.map(read).iter().flat_map(|text| text.lines().skip(1).filter_map(ticket)).collect();
        Self::Tickets(tickets)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Tickets(_) => "recombined tickets",
            Self::MadeUp => "made-up words",
        }
    }

    /// Title and description of a number. Tickets are put together from the halves of several.
    pub(crate) fn text(&self, number: u64) -> (String, String) {
        let seed = draw(number);
        let Self::Tickets(tickets) = self else { return (words(seed, 8), words(seed ^ 1, 45)) };
        let ticket = |n: u64| &tickets[(draw(seed ^ n) % tickets.len() as u64) as usize];
        let (one, two, three) = (ticket(1), ticket(2), ticket(3));
        (
            format!("{} {}", halves(&one.0).0, halves(&two.0).1.trim_start()),
            format!("{} {}", halves(&one.1).0, halves(&three.1).1.trim_start()),
        )
    }

    /// Like that of a number: a title without its first word, and half of the description.
    pub(crate) fn like(&self, number: u64) -> (String, String) {
        let (title, description) = self.text(number);
        let rest = title.trim().split_once(' ').map_or("", |(_, rest)| rest.trim());
        let title = if rest.is_empty() { title.clone() } else { rest.to_owned() };
        (title, halves(&description).0.to_owned())
    }
}

fn halves(text: &str) -> (&str, &str) {
    let mut spaces = text.char_indices().filter(|(_, c)| *c == ' ').map(|(at, _)| at);
    text.split_at(spaces.find(|at| *at >= text.len() / 2).unwrap_or(text.len()))
}

/// A number that looks random, the same for the same seed (SplitMix64).
pub(crate) fn draw(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Words by Zipf's law: the inverse of its distribution is an exponential of an even number.
fn words(seed: u64, count: u64) -> String {
    let word = |at: u64| {
        let even = (draw(seed ^ (at << 32)) >> 11) as f64 / (1_u64 << 53) as f64;
        let letters = draw((VOCABULARY as f64).powf(even) as u64);
        let letter = |n: u64| char::from(b'a' + (letters >> (5 * n + 8)) as u8 % 26);
        (0..3 + letters % 6).map(letter).collect::<String>()
    };
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}
