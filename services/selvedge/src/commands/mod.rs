//! One file per verb.

pub(crate) mod agent;
pub(crate) mod approval;
pub(crate) mod artifact;
pub(crate) mod blame;
pub(crate) mod call;
pub(crate) mod completion;
pub(crate) mod contract;
mod creating;
pub(crate) mod doctor;
pub(crate) mod hook;
pub(crate) mod init;
pub(crate) mod intent;
pub(crate) mod kluster;
pub(crate) mod lease;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod mission;
pub(crate) mod policy;
pub(crate) mod repository;
pub(crate) mod request;
pub(crate) mod saga;
pub(crate) mod scratch;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod tap;
pub(crate) mod up;
