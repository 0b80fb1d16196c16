//! What a creation says of its thing: what is kept of it, and what it is known by.

use std::collections::BTreeSet;

use selvedge_contracts::{
    fault::Fault,
    id::{CreationId, Digest, KindName, Mission},
    payload::overlap::{
        Creation, CreationState, KEPT_DESCRIPTION_BYTES, KEPT_NAME_BYTES, KEPT_NAMES, KEPT_TITLE_BYTES, Part,
        Propose, Proposer, Text,
    },
};

use crate::{
    Item, State,
    item::{front, is_seen},
};

/// What is kept of a text: its front, of as many paths and names as are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) paths: Vec<String>,
    pub(crate) artifacts: Vec<String>,
}

impl Kept {
    pub(crate) fn new(title: &str, description: &str, paths: &[String], artifacts: &[String]) -> Self {
        let names = |names: &[String]| -> Vec<String> {
            names.iter().take(KEPT_NAMES).map(|name| front(name, KEPT_NAME_BYTES).to_owned()).collect()
        };
        Self {
            title: front(title, KEPT_TITLE_BYTES).to_owned(),
            description: front(description, KEPT_DESCRIPTION_BYTES).to_owned(),
            paths: names(paths),
            artifacts: names(artifacts),
        }
    }

    pub(crate) fn of(creation: &Creation) -> Self {
        Self::new(&creation.title, &creation.description, &creation.paths, &creation.artifacts)
    }

    /// As the index takes it.
    pub(crate) fn into_item(self, id: String, mission: &str, state: State) -> Item {
        let Self { title, description, paths, artifacts } = self;
        Item { id, title, description, paths, artifacts, scope: mission.to_owned(), state }
    }
}

/// blake3 over all that was said, each part with its length before it.
pub(crate) fn digest(title: &str, description: &str, paths: &[String], artifacts: &[String]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes()).update(bytes);
    };
    add(title.as_bytes());
    add(description.as_bytes());
    for names in [paths, artifacts] {
        add(&(names.len() as u64).to_be_bytes());
        names.iter().for_each(|name| add(name.as_bytes()));
    }
    (&hasher.finalize()).into()
}

/// Refuses a title that says nothing.
///
/// # Errors
/// `invalid`.
pub(crate) fn says_something(title: &str, at: &str) -> Result<(), Fault> {
    if title.chars().any(is_seen) {
        return Ok(());
    }
    let message = "it says nothing: expected a line with at least one character that can be seen";
    Err(Fault::invalid("the title is empty").at(at, message))
}

/// The creation that is asked for.
///
/// # Errors
/// `invalid` if its title or id says nothing.
pub(crate) fn wanted(
    mission: &Mission,
    request: &Propose,
    proposer: Proposer,
    now_ms: u64,
    ttl_ms: u64,
) -> Result<Creation, Fault> {
    says_something(&request.title, "/title")?;
    says_something(&request.id, "/id")?;
    let Propose { what, id, title, description, paths, artifacts, parts: _, on_behalf: _ } = request;
    let kept = Kept::new(title, description, paths, artifacts);
    Ok(Creation {
        creation: CreationId::of(mission, what, id),
        mission: mission.clone(),
        what: what.clone(),
        id: id.clone(),
        content: digest(title, description, paths, artifacts),
        title: kept.title,
        description: kept.description,
        paths: kept.paths,
        artifacts: kept.artifacts,
        part_of: None,
        proposer,
        place: 0,
        reopened: false,
        state: CreationState::Pending,
        checked: None,
        decision: None,
        proposed_at_ms: now_ms,
        expires_at_ms: now_ms.saturating_add(ttl_ms),
    })
}

/// How much longer a part may stay open than its whole, in milliseconds: so that it is the whole that expires, and
/// each part with it.
const PART_GRACE_MS: u64 = 60_000;

/// The parts of what is asked for, each as a creation of its own: tasks, called by the whole's id and their name.
///
/// # Errors
/// `invalid` if the whole has no parts, or one says nothing or is there twice.
pub(crate) fn parts(whole: &Creation, parts: &[Part]) -> Result<Vec<Creation>, Fault> {
    if !parts.is_empty() && whole.what != KindName::plan() {
        let message = "leave it out: what has parts is a plan";
        return Err(Fault::invalid(format!("{}s have no parts", whole.what)).at("/parts", message));
    }
    let mut names = BTreeSet::new();
    parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            says_something(&part.text.title, &format!("/parts/{at}/text/title"))?;
            if !names.insert(&part.name) {
                return Err(Fault::invalid(format!("two parts are called {:?}", part.name))
                    .at(format!("/parts/{at}/name"), "expected a name of its own"));
            }
            Ok(part_of(whole, part))
        })
        .collect()
}

fn part_of(whole: &Creation, part: &Part) -> Creation {
    let Text { title, description, paths, artifacts } = &part.text;
    let (what, id) = (KindName::task(), format!("{}/{}", whole.id, part.name));
    let kept = Kept::new(title, description, paths, artifacts);
    Creation {
        creation: CreationId::of(&whole.mission, &what, &id),
        what,
        id,
        content: digest(title, description, paths, artifacts),
        title: kept.title,
        description: kept.description,
        paths: kept.paths,
        artifacts: kept.artifacts,
        part_of: Some(whole.creation.clone()),
        expires_at_ms: whole.expires_at_ms.saturating_add(PART_GRACE_MS),
        ..whole.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_that_says_nothing_is_refused_with_its_place() {
        let unseen = ["\u{2060}", "\u{200d}", "\u{2800}", "\u{3164}", "\u{ad}", "\u{202e}\u{fe0f}\u{115f}"];
        for blank in ["", " ", "\t\n", "\u{feff}", "\0\u{1}", "\u{3000}"].into_iter().chain(unseen) {
            let fault = says_something(blank, "/title").expect_err(blank);
            assert_eq!(fault.details[0].at, "/title");
        }
        for text in ["a", "🚀", "שלום", "}"] {
            assert_eq!(says_something(text, "/title"), Ok(()), "{text}");
        }
    }

    #[test]
    fn every_part_counts_also_where_it_is_not_kept() {
        let long = "x".repeat(KEPT_DESCRIPTION_BYTES);
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let all = [
            digest("a", &long, &[], &[]),
            digest("a", &format!("{long}y"), &[], &[]),
            digest("a", "", &names(&["p"]), &[]),
            digest("a", "", &[], &names(&["p"])),
            digest("a", "", &names(&["p", "q"]), &[]),
            digest("a", "", &names(&["p"]), &names(&["q"])),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        let kept = Kept::new("ä".repeat(400).as_str(), &format!("{long}y"), &[], &[]);
        assert_eq!((kept.title.len(), kept.description.len()), (512, KEPT_DESCRIPTION_BYTES));
    }
}
