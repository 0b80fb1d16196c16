//! The core against real repositories.

mod crash;
mod refuse;
mod shape;
