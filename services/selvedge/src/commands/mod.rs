//! One file per verb.

pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod kluster;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod up;
