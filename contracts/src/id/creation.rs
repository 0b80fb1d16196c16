//! Identifiers of creations: what is to be made, of which kind.

use std::marker::PhantomData;

use super::{Mission, Shape, SubjectId, Token, is_hex, lower_or_digit};

/// Shape of a [`CreationId`].
pub enum CreationIdShape {}
impl Shape for CreationIdShape {
    const NAME: &'static str = "creation_id";
    const PATTERN: &'static str = "^creation_[0-9a-f]{32}$";
    const EXAMPLE: &'static str = "creation_0a1b2c3d4e5f60718293a4b5c6d7e8f9";
    const MAX_BYTES: usize = 41;
    fn fits(bytes: &[u8]) -> bool {
        bytes.strip_prefix(b"creation_").is_some_and(|hex| hex.len() == 32 && is_hex(hex))
    }
}
/// The creation of one thing: the same thing is the same creation, however often it is asked for.
pub type CreationId = Token<CreationIdShape>;
impl SubjectId for CreationIdShape {}

impl CreationId {
    /// The creation of the thing that is called `id` among those of its kind in its mission: the first 128 bits
    /// of a blake3, each part with its length before it.
    pub fn of(mission: &Mission, what: &KindName, id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [mission.as_str(), what.as_str(), id] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
        }
        let hash = hasher.finalize();
        Self::from_number(u128::from_be_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default()))
    }

    /// The creation of this number.
    pub fn from_number(number: u128) -> Self {
        Self(format!("creation_{number:032x}").into(), PhantomData)
    }

    /// Its number: what stands behind `creation_`.
    pub fn number(&self) -> u128 {
        let hex = self.as_str().strip_prefix("creation_").unwrap_or_default();
        u128::from_str_radix(hex, 16).unwrap_or_default()
    }
}

/// Shape of a [`KindName`].
pub enum KindNameShape {}
impl Shape for KindNameShape {
    const NAME: &'static str = "kind_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_.-]*$";
    const EXAMPLE: &'static str = "task";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|&first| lower_or_digit(first))
            && bytes.iter().all(|&byte| lower_or_digit(byte) || b"_.-".contains(&byte))
    }
}
/// A kind of thing that is created: `plan`, `task`, `artifact`, `intent`, or one of the mission's own.
pub type KindName = Token<KindNameShape>;

/// The things that services of the fabric create.
impl KindName {
    /// A plan, with all its tasks.
    pub fn plan() -> Self {
        Self("plan".into(), PhantomData)
    }

    /// A task.
    pub fn task() -> Self {
        Self("task".into(), PhantomData)
    }

    /// A name of artifacts.
    pub fn artifact() -> Self {
        Self("artifact".into(), PhantomData)
    }

    /// An intent.
    pub fn intent() -> Self {
        Self("intent".into(), PhantomData)
    }

    /// Whether a service of the fabric creates things of this kind, and says so by facts of its own.
    pub fn is_of_the_fabric(&self) -> bool {
        matches!(self.as_str(), "plan" | "task" | "artifact" | "intent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_one_creation() {
        let (demo, other) = (Mission::new("demo").unwrap(), Mission::new("other").unwrap());
        let one = CreationId::of(&demo, &KindName::task(), "t1");
        assert_eq!(one, CreationId::of(&demo, &KindName::task(), "t1"));
        assert_eq!(CreationId::new(one.as_str()).unwrap(), one);
        assert_eq!(CreationId::from_number(one.number()), one);
        for another in [
            CreationId::of(&other, &KindName::task(), "t1"),
            CreationId::of(&demo, &KindName::artifact(), "t1"),
            CreationId::of(&demo, &KindName::task(), "t2"),
        ] {
            assert_ne!(one, another);
        }
    }

    #[test]
    fn examples_fit_and_kinds_bend_nothing() {
        assert!(CreationId::new(CreationIdShape::EXAMPLE).is_ok());
        for good in ["task", "x.y-z_1", "9"] {
            assert!(KindName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Task", ".x", "a b", "a/b", "a*", "ä"] {
            assert!(KindName::new(bad).is_err(), "{bad}");
        }
    }
}
