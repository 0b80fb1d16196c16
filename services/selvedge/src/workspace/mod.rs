//! Checkouts of a mission's repositories, made anew for each attempt and each check, and what differs in them in the
//! end.
//!
//! ```text
//! <folder>/<repository>.git    a copy of our own, into which the record is fetched
//! <attempt>/workspace          the checkout, with a .git that borrows the copy's objects
//! <attempt>/git                the same .git as it was before anybody worked in it
//! ```
//! A command may write what it likes into its `workspace/.git`, settings that run programs too: what we ask git
//! afterwards, we ask by way of the other. The record is read and never written, and nothing in it is linked.

mod applied;
mod changes;
mod checkout;
mod copies;
mod git;

pub(crate) use applied::{Unfit, change_set};
pub(crate) use changes::{Change, changes};
pub(crate) use checkout::Checkout;
pub(crate) use copies::Copies;
