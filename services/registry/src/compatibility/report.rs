//! What a comparison found: differences that refuse what was allowed, and questions left open.

use selvedge_contracts::{fault::Detail, payload::contract::Compatibility};

/// Most reasons that are listed.
const MAX_REASONS: usize = 100;

/// Found so far; empty means that all asked so far is proven.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Report {
    breaking: Vec<Detail>,
    unknown: Vec<Detail>,
}

impl Report {
    /// One difference that refuses what was allowed.
    pub(super) fn breaking(at: &str, message: impl Into<String>) -> Self {
        Self { breaking: vec![Detail { at: at.to_owned(), message: message.into() }], ..Self::default() }
    }

    /// One question left open.
    pub(super) fn unknown(at: &str, message: impl Into<String>) -> Self {
        Self { unknown: vec![Detail { at: at.to_owned(), message: message.into() }], ..Self::default() }
    }

    /// Whether everything asked is proven.
    pub(super) fn is_clean(&self) -> bool {
        self.breaking.is_empty() && self.unknown.is_empty()
    }

    /// Takes up what another report found.
    pub(super) fn absorb(&mut self, other: Self) {
        absorb(&mut self.breaking, other.breaking);
        absorb(&mut self.unknown, other.unknown);
    }

    /// The same findings, none of them certain: something that is known could not be used.
    #[must_use]
    pub(super) fn in_doubt(self) -> Self {
        let mut unknown = self.unknown;
        absorb(&mut unknown, self.breaking);
        Self { breaking: Vec::new(), unknown }
    }

    /// What it comes to.
    pub(super) fn verdict(self) -> Compatibility {
        match (self.breaking.is_empty(), self.unknown.is_empty()) {
            (true, true) => Compatibility::Compatible,
            (true, false) => Compatibility::Unknown { reasons: self.unknown },
            (false, _) => Compatibility::Breaking { reasons: self.breaking },
        }
    }
}

fn absorb(reasons: &mut Vec<Detail>, others: Vec<Detail>) {
    for other in others {
        if reasons.len() < MAX_REASONS && !reasons.contains(&other) {
            reasons.push(other);
        }
    }
}
