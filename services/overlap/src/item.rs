//! Items, and what can happen to them.

use serde::{Deserialize, Serialize};

use crate::wordpiece::is_other;

/// Bytes that are looked at and kept: more of a text says little more about what it is.
pub(crate) const TITLE_BYTES: usize = 512;
/// As [`TITLE_BYTES`], of a description.
pub(crate) const DESCRIPTION_BYTES: usize = 2_048;
/// Most paths of an item, and most names of artifacts, that count.
pub(crate) const NAMES: usize = 32;
/// Bytes of a path or name that count.
pub(crate) const NAME_BYTES: usize = 256;

/// Something that was, or is to be, created.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Item {
    /// Names it among all items.
    pub id: String,
    /// One line.
    pub title: String,
    /// The rest; may be empty.
    pub description: String,
    /// Paths that it is about.
    pub paths: Vec<String>,
    /// Names of artifacts that it makes or changes.
    pub artifacts: Vec<String>,
    /// Where it belongs, such as a mission: who may not read the scope is not shown the item.
    pub scope: String,
    /// How far it is.
    pub state: State,
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Proposed, and not decided. Compared exactly with all that is checked.
    #[default]
    Pending,
    /// It is there.
    Existing,
    /// It was not wanted; never a candidate.
    Discarded,
}

/// What can happen to an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Insert(Item),
    /// It now reads as this, and has its place in the order here; its state stays.
    Edit(Item),
    /// It is in another state.
    State {
        /// The item.
        id: String,
        /// Its new state.
        state: State,
    },
    /// It is gone.
    Remove {
        /// The item.
        id: String,
    },
}

impl Change {
    /// The item that it is about.
    pub fn id(&self) -> &str {
        match self {
            Self::Insert(item) | Self::Edit(item) => &item.id,
            Self::State { id, .. } | Self::Remove { id } => id,
        }
    }
}

/// Whether a character can be seen: no space, no control, none of those that only change how others are shown, and none
/// of those that are drawn as nothing.
pub(crate) fn is_seen(c: char) -> bool {
    let is_blank = matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}');
    !c.is_whitespace() && !is_blank && !is_other(c)
}

/// The front of a text, of at most so many bytes.
pub(crate) fn front(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.split_at_checked(end).map_or(text, |(front, _)| front)
}

/// What the index keeps of an item's text, in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    whole: Box<str>,
    /// Where id, title and description end; then come paths and artifacts, a line each.
    ends: [u32; 3],
    /// How many of the lines are paths.
    paths: u32,
}

impl Text {
    pub(crate) fn of(item: &Item) -> Self {
        Self::new(&item.id, [&item.title, &item.description], [&item.paths, &item.artifacts])
    }

    /// Of an id, title and description, paths and artifacts: their fronts, and copies of nothing else.
    pub(crate) fn new(id: &str, texts: [&str; 2], names: [&[String]; 2]) -> Self {
        let mut whole = id.to_owned();
        let mut ends = [whole.len() as u32; 3];
        let [_, end_of_title, end_of_description] = &mut ends;
        let [title, description] = texts;
        whole.push_str(front(title, TITLE_BYTES));
        *end_of_title = whole.len() as u32;
        whole.push_str(front(description, DESCRIPTION_BYTES));
        *end_of_description = whole.len() as u32;
        let [paths, artifacts] = names.map(|names| names.iter().take(NAMES));
        let count = paths.len() as u32;
        for name in paths.chain(artifacts) {
            // A name over two lines would be two names.
            whole.extend(front(name, NAME_BYTES).chars().map(|c| if c == '\n' { ' ' } else { c }));
            whole.push('\n');
        }
        Self { whole: whole.into(), ends, paths: count }
    }

    fn part(&self, from: u32, to: u32) -> &str {
        self.whole.get(from as usize..to as usize).unwrap_or("")
    }

    pub(crate) fn id(&self) -> &str {
        let [id, ..] = self.ends;
        self.part(0, id)
    }

    pub(crate) fn title(&self) -> &str {
        let [id, title, _] = self.ends;
        self.part(id, title)
    }

    pub(crate) fn description(&self) -> &str {
        let [_, title, description] = self.ends;
        self.part(title, description)
    }

    /// What it says, and nothing around it.
    pub(crate) fn said(&self) -> [&str; 2] {
        [self.title().trim(), self.description().trim()]
    }

    /// The same in lower case, by which texts without a word are known again.
    pub(crate) fn plain(&self) -> [String; 2] {
        self.said().map(str::to_lowercase)
    }

    /// Whether it has anything that can be seen.
    pub(crate) fn says_something(&self) -> bool {
        self.said().iter().any(|part| part.contains(|c| c != '\u{fffd}' && is_seen(c)))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let [.., description] = self.ends;
        self.part(description, self.whole.len() as u32).lines()
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.names().take(self.paths as usize)
    }

    pub(crate) fn artifacts(&self) -> impl Iterator<Item = &str> {
        self.names().skip(self.paths as usize)
    }

    /// Its parts, for a snapshot.
    pub(crate) fn raw(&self) -> (&str, [u32; 3], u32) {
        (&self.whole, self.ends, self.paths)
    }

    /// From its parts; nothing where they do not fit together.
    pub(crate) fn from_raw(whole: Box<str>, ends: [u32; 3], paths: u32) -> Option<Self> {
        let is_whole = ends.is_sorted() && ends.iter().all(|end| whole.is_char_boundary(*end as usize));
        is_whole.then_some(Self { whole, ends, paths })
    }

    /// Bytes that it takes, the structure aside.
    pub(crate) fn bytes(&self) -> usize {
        self.whole.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_gives_back_what_was_put_in_up_to_its_bounds() {
        let item = Item {
            id: "t/1".into(),
            title: "ö".repeat(400),
            description: "d".repeat(10_000),
            paths: vec!["a/b".into(), "c\nd".into()],
            artifacts: (0..40).map(|n| format!("n{n}")).collect(),
            ..Item::default()
        };
        let text = Text::of(&item);
        assert_eq!(text.id(), "t/1");
        assert_eq!(text.title(), "ö".repeat(TITLE_BYTES / 2));
        assert_eq!(text.description().len(), DESCRIPTION_BYTES);
        assert_eq!(text.paths().collect::<Vec<_>>(), ["a/b", "c d"]);
        assert_eq!(text.artifacts().count(), NAMES);
        let (whole, ends, paths) = text.raw();
        assert_eq!(Text::from_raw(whole.into(), ends, paths).as_ref(), Some(&text));
        assert_eq!(Text::from_raw(whole.into(), [4, 6, 9], paths), None, "inside a character");
    }
}
