//! One file per verb.

pub(crate) mod agent;
pub(crate) mod call;
pub(crate) mod completion;
pub(crate) mod contract;
pub(crate) mod log;
pub(crate) mod mission;
pub(crate) mod request;
pub(crate) mod session;
pub(crate) mod tap;
