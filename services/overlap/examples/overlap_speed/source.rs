//! Items without end: recombined from the texts of corpora, or of made-up words as common as words are.

use std::{fs, path::Path};

use anyhow::Context;
use selvedge_overlap::{Item, Query, State};

/// Made-up words.
const VOCABULARY: u64 = 60_000;

pub(crate) enum Source {
    /// Titles and descriptions.
    Texts(Vec<(String, String)>),
    MadeUp,
}

/// A number that looks random, the same for the same seed.
fn draw(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Source {
    pub(crate) fn from_corpora(folder: &Path) -> anyhow::Result<Self> {
        let mut texts = Vec::new();
        for file in ["agent_tasks_corpus.tsv", "gitbugs_corpus.tsv"] {
            let path = folder.join(file);
            let text = fs::read_to_string(&path).with_context(|| format!("no corpus {}", path.display()))?;
            texts.extend(text.lines().skip(1).filter_map(|line| {
                let mut fields = line.split('\t').skip(2);
                Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
            }));
        }
        Ok(Self::Texts(texts))
    }

    pub(crate) fn made_up() -> Self {
        Self::MadeUp
    }

    /// The item of a number.
    pub(crate) fn item(&self, number: u64) -> Item {
        let (title, description) = self.text(number);
        let scope = format!("mission-{}", draw(number) % 20);
        Item {
            id: format!("task/{number}"),
            title,
            description,
            scope,
            state: State::Existing,
            ..Item::default()
        }
    }

    /// A query that is like the item of a number: a word of the title is left out, and half of the description.
    pub(crate) fn query(&self, number: u64) -> Query {
        let (title, description) = self.text(number);
        let left_out = draw(number) as usize % title.split(' ').count().max(1);
        let words = title.split(' ').enumerate().filter(|(at, _)| *at != left_out).map(|(_, word)| word);
        Query {
            title: words.collect::<Vec<_>>().join(" "),
            description: halves(&description).1.to_owned(),
            ..Query::default()
        }
    }

    fn text(&self, number: u64) -> (String, String) {
        let seed = draw(number);
        match self {
            Self::Texts(texts) => {
                let text = |n: u64| &texts[(draw(seed ^ n) % texts.len() as u64) as usize];
                let (one, two, three) = (text(1), text(2), text(3));
                (
                    format!("{} {}", halves(&one.0).0, halves(&two.0).1),
                    format!("{} {}", halves(&one.1).0, halves(&three.1).1),
                )
            }
            Self::MadeUp => (words(seed, 8), words(seed ^ 1, 45)),
        }
    }
}

fn halves(text: &str) -> (&str, &str) {
    let at = text
        .char_indices()
        .find(|(at, c)| *at >= text.len() / 2 && *c == ' ')
        .map_or(text.len(), |(at, _)| at);
    text.split_at(at)
}

/// Words by Zipf's law: the inverse of its distribution is an exponential of an even number.
fn words(seed: u64, count: u64) -> String {
    let words = (0..count).map(|at| {
        let even = (draw(seed ^ (at << 32)) >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (VOCABULARY as f64).powf(even) as u64;
        let letters = draw(rank);
        (0..3 + letters % 6).map(|n| (b'a' + (letters >> (5 * n + 8)) as u8 % 26) as char).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}
