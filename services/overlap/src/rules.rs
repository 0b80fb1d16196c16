//! Rules that no similarity replaces: texts that are alike to the letter can ask for opposite things, or for
//! the same thing of another number.

pub(crate) mod kind;
pub(crate) mod number;
pub(crate) mod polarity;
pub(crate) mod wording;
