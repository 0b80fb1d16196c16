//! `selvedge overlap …`: what already exists that looks like what is to be created.

mod check;
mod creation;
mod explain;
pub(crate) mod id;
pub(crate) mod shown;
mod tuning;

use clap::Subcommand;

use crate::{connect::Context, exit::Done};

/// Overlap: what already exists, or is on its way, that looks like this.
#[derive(Debug, Subcommand)]
pub(crate) enum Overlap {
    Check(Box<check::Check>),
    Explain(explain::Explain),
    List(creation::List),
    Show(creation::Show),
    Decide(creation::Decide),
    Stats(tuning::Stats),
    Calibrate(tuning::Calibrate),
    Tune(tuning::Tune),
    Reindex(tuning::Reindex),
}

impl Overlap {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Check(verb) => verb.run(context).await,
            Self::Explain(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Decide(verb) => verb.run(context).await,
            Self::Stats(verb) => verb.run(context).await,
            Self::Calibrate(verb) => verb.run(context).await,
            Self::Tune(verb) => verb.run(context).await,
            Self::Reindex(verb) => verb.run(context).await,
        }
    }
}
