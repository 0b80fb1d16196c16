//! Globs, in the syntax of gitignore(5): `*`, `?`, `[…]` within a name, `**` across folders, `\` before a
//! character that is meant. A glob with a `/` before its end stands from the root, any other matches at any
//! depth; one that ends in `/` matches folders, and so covers what is below them alone.
//!
//! Refused is what has no sense for a claim (`!`, `#`, `/` at the start) or what tools read in different
//! ways (braces, POSIX classes, a backslash or other than ASCII in a class): it could cover less than meant.

use std::sync::Arc;

use crate::{
    automaton::{Automaton, Below, Bytes, Step},
    claim::{Malformed, plain},
    path::component,
};

mod name;

/// Most wildcards of one glob: each multiplies what a comparison costs.
const MAX_WILDCARDS: usize = 32;

/// A checked glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    /// The folder that all it covers lies in; empty if that is the root.
    head: Box<str>,
    /// How every name that it matches ends, from its last byte; empty if it says nothing of that.
    tail: Box<[u8]>,
    /// Whether what follows the head may lie at any depth.
    is_deep: bool,
    /// What it matches.
    steps: Box<[Step]>,
    /// What it covers beside.
    below: Below,
}

impl Pattern {
    /// What a line of a `.gitignore` covers: what matches, and what lies below a folder that matches.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong and how to mend it.
    pub(crate) fn glob(text: &str) -> Result<Self, Malformed> {
        match text.strip_suffix('/') {
            Some(text) => Self::parse(text, Below::Must),
            None => Self::parse(text, Below::May),
        }
    }

    /// The files that match.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong and how to mend it.
    pub(crate) fn files(text: &str) -> Result<Self, Malformed> {
        if text.ends_with('/') {
            return Err(Malformed("ends in /, so that no file matches; claim it as a glob".into()));
        }
        Self::parse(text, Below::No)
    }

    fn parse(text: &str, below: Below) -> Result<Self, Malformed> {
        check(text)?;
        let components: Vec<&str> = text.split('/').collect();
        let is_anchored = components.len() > 1;
        let (mut steps, mut head, mut is_head) = (Vec::new(), Vec::new(), is_anchored);
        let mut tail = Vec::new();
        if !is_anchored {
            steps.extend(any_folders());
        }
        let mut is_deep = !is_anchored;
        for (index, text) in components.iter().enumerate() {
            let is_last = index + 1 == components.len();
            if *text == "**" {
                is_deep |= is_head;
                is_head = false;
                let deep = [Step::One(Bytes::Any), Step::Many(Bytes::Any)];
                if is_last {
                    steps.extend(deep)
                } else {
                    steps.extend(any_folders())
                }
                tail.clear();
                continue;
            }
            let name = name::parse(text)?;
            if let Some(literal) = literal(&name) {
                component(&literal)?;
                if is_head && !is_last {
                    head.push(literal);
                }
            } else {
                is_head = false;
            }
            tail = name.iter().rev().map_while(one_byte).collect();
            steps.extend(name);
            if !is_last {
                steps.push(Step::One(Bytes::One(b'/')));
            }
        }
        bound(&steps, if is_anchored { 0 } else { 1 })?;
        let (head, tail, steps) = (head.join("/").into(), tail.into(), steps.into());
        Ok(Self(Arc::new(Parts { head, tail, is_deep, steps, below })))
    }

    /// The folder that all it covers lies in; empty if that is the root.
    pub(crate) fn head(&self) -> &str {
        &self.0.head
    }

    /// How the name of every path that it matches ends, from the last byte on; it may cover others below.
    pub(crate) fn tail(&self) -> &[u8] {
        &self.0.tail
    }

    /// Whether it matches something at any depth below its head: something in every folder there.
    pub(crate) fn is_deep(&self) -> bool {
        self.0.is_deep
    }

    /// What it covers below what it matches.
    pub(crate) fn below(&self) -> Below {
        self.0.below
    }

    /// Accepts all that it covers.
    pub(crate) fn covers(&self) -> Automaton<'_> {
        Automaton::steps(&self.0.steps, self.0.below)
    }

    /// Accepts what it matches, without what is below.
    pub(crate) fn matches(&self) -> Automaton<'_> {
        Automaton::steps(&self.0.steps, Below::No)
    }

    /// Whether the ends of names already tell them apart.
    pub(crate) fn is_apart(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.tail(), other.tail());
        self.below() == Below::No
            && other.below() == Below::No
            && mine.iter().zip(theirs).any(|(mine, theirs)| mine != theirs)
    }
}

/// Any number of folders, each with its `/`.
fn any_folders() -> [Step; 3] {
    [Step::Skip(2), Step::Many(Bytes::Any), Step::One(Bytes::One(b'/'))]
}

fn one_byte(step: &Step) -> Option<u8> {
    match step {
        Step::One(Bytes::One(byte)) => Some(*byte),
        _ => None,
    }
}

/// The name, if it is a literal.
fn literal(name: &[Step]) -> Option<String> {
    let bytes: Option<Vec<u8>> = name.iter().map(one_byte).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok())
}

/// Refuses too many wildcards; `implied` ones do not count.
fn bound(steps: &[Step], implied: usize) -> Result<(), Malformed> {
    let wildcards = steps
        .iter()
        .filter(|step| matches!(step, Step::Many(Bytes::Name | Bytes::Any)))
        .count()
        .saturating_sub(implied);
    if wildcards <= MAX_WILDCARDS {
        return Ok(());
    }
    Err(Malformed(format!("has {wildcards} wildcards; at most {MAX_WILDCARDS} are accepted")))
}

fn check(text: &str) -> Result<(), Malformed> {
    let refuse = |why: &str| Err(Malformed(why.into()));
    plain(text)?;
    match text.chars().next() {
        Some('!') => {
            return refuse("starts with !: what is left out cannot be claimed; write \\! for a name");
        }
        Some('#') => return refuse("starts with #, a comment in gitignore; write \\# for a name"),
        _ => {}
    }
    if text.ends_with(' ') && !text.ends_with("\\ ") {
        return refuse("ends in a blank, which gitignore leaves out; write \"\\ \" for a name");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
