//! Candidates, levels and reasons, for people.

use selvedge_contracts::payload::overlap::{Basis, Candidate, Checked, Level, Reason, Second};

use super::id::short;
use crate::output::{table, visible_line};

/// Characters of a title in a table.
const LONGEST: usize = 60;

/// A text of others, in one line that is not too long.
pub(super) fn line(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    visible_line(&shown)
}

/// Thousandths as a number between 0 and 1.
pub(crate) fn share(thousandths: u16) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// A level, or nothing.
pub(super) fn level(level: Option<Level>) -> String {
    level.map_or_else(String::new, |level| level.to_string())
}

/// Why, in one line.
pub(super) fn reasons(reasons: &[Reason]) -> String {
    let listed = |what: &str, names: &[String]| {
        let names: Vec<_> = names.iter().map(|name| line(name)).collect();
        format!("{what} {}", names.join(", "))
    };
    let said: Vec<String> = reasons
        .iter()
        .map(|reason| match reason {
            Reason::SameText(digest) => {
                format!("the same text {}", digest.as_str().chars().take(12).collect::<String>())
            }
            Reason::SharedWords(words) => listed("words:", words),
            Reason::SamePaths(paths) => listed("paths:", paths),
            Reason::SameArtifacts(names) => listed("artifacts:", names),
            Reason::Meaning(near) => format!("meaning {}", share(*near)),
            Reason::Spelling(near) => format!("spelling {}", share(*near)),
            Reason::NumbersDiffer => "numbers differ".to_owned(),
            Reason::Opposite => "perhaps the opposite".to_owned(),
            Reason::OrderDiffers => "the same words in another order".to_owned(),
            Reason::WordsDiffer => "a word or sign differs".to_owned(),
            Reason::KindDiffers => "another kind of work".to_owned(),
        })
        .collect();
    said.join("; ")
}

/// What was found, as a table.
pub(super) fn candidates(found: &[Candidate]) -> String {
    let rows: Vec<_> = found.iter().map(row).collect();
    table(
        ["score", "level", "what", "state", "mission", "who", "creation", "title", "why"],
        &rows,
        "nothing looks like it",
    )
}

/// The reasons, and how near it is by the second model.
fn why(found: &Candidate) -> String {
    let second = found.second.map(|near| format!("second model {}", share(near)));
    let said = [reasons(&found.reasons), second.unwrap_or_default()];
    said.into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What a second model said of it, if one is set.
fn second(found: &Checked) -> String {
    match &found.second {
        None => String::new(),
        Some(Second { model, failed: None }) => format!("\nin the order of {model}"),
        Some(Second { model, failed: Some(why) }) => format!("\n{model} is left out: {}", line(why)),
    }
}

fn row(found: &Candidate) -> [String; 9] {
    [
        share(found.score),
        level(found.level),
        found.what.to_string(),
        found.state.to_string(),
        found.mission.to_string(),
        found.proposer.to_string(),
        short(&found.creation),
        line(&found.title),
        why(found),
    ]
}

/// What was found, and up to where was looked.
pub(super) fn checked(found: &Checked) -> String {
    let weak = if found.weak_meaning {
        "\nlittle is known of the meaning of this text: candidates rest on words and spelling"
    } else {
        ""
    };
    let (candidates, basis) = (candidates(&found.candidates), basis(&found.basis));
    format!("{}\n{basis}{weak}{}", candidates.trim_end(), second(found))
}

/// What an answer rests on, in one line.
pub(super) fn basis(basis: &Basis) -> String {
    let short = |hash: &str| hash.chars().take(8).collect::<String>();
    format!(
        "checked up to {} (index {}, model {})",
        basis.up_to_sequence,
        short(basis.index_hash.as_str()),
        short(basis.model_hash.as_str())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_in_words_and_hide_nothing() {
        let all = [
            Reason::SharedWords(vec!["cache".to_owned(), "a\u{202e}b".to_owned()]),
            Reason::Meaning(912),
            Reason::SamePaths(vec!["src/a.rs".to_owned()]),
            Reason::NumbersDiffer,
            Reason::Opposite,
        ];
        assert_eq!(
            reasons(&all),
            "words: cache, a\\u{202e}b; meaning 0.912; paths: src/a.rs; numbers differ; perhaps the opposite"
        );
        assert_eq!((share(1000), share(7)), ("1.000".to_owned(), "0.007".to_owned()));
        assert_eq!(line(&"x".repeat(70)).chars().count(), LONGEST + 1);
    }
}
