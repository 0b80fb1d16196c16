//! Running a service: one subscription in its queue group, requests judged with bounded concurrency,
//! replies under the caller's own inbox, discovery, drain. A service brings its table of routes; all
//! else on the path of a request is here, once.

mod answer;
mod call;
mod discovery;
mod draft;
mod forward;
mod judge;
mod open;
mod precondition;
mod route;
mod run;
mod runtime;
mod slots;
mod unheard;
mod write;

pub(crate) use answer::cut;
pub use call::Call;
pub(crate) use discovery::{LAST_SKIPPED, SKIPPED_FACTS};
pub use draft::Draft;
pub use forward::ForwardError;
pub use route::{Answer, Route, Routes};
pub use run::{Health, Limits, Running, ServiceError, Setup, start};
pub use slots::Parked;
pub use write::{Recorded, Writer};
