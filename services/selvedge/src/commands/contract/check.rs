//! `selvedge contract check`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    payload::contract::{ContractCheck, ContractVerdict},
};

use super::lines;
use crate::{
    connect::Context,
    exit::Done,
    input::{self, ContractReference},
};

/// Hold a document against a contract; exit code 2 if it does not fit.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge contract check research.summary summary.json
  produce | selvedge contract check research.summary/1 -

Every violation is one line: its JSON pointer, a colon, and what is wrong there.")]
pub(crate) struct Check {
    /// The contract, as NAME for its newest version or NAME/VERSION.
    contract: ContractReference,
    /// File with the document, or - for standard input.
    file: PathBuf,
}

impl Check {
    pub(super) async fn run(self, context: &Context) -> Done {
        let ContractReference { name, version } = self.contract;
        let wanted = ContractCheck { name, version, document: input::json(&self.file)? };
        let verdict = context.operator().await?.call::<call::ContractCheck>(&wanted).await?.reply;
        context.output.print(&verdict, |verdict: &ContractVerdict| match verdict.valid {
            true => format!("valid {}/{}", verdict.name, verdict.version),
            false => lines(&verdict.violations),
        })?;
        if verdict.valid {
            return Ok(());
        }
        Err(Fault::invalid(format!("the document does not fit {}/{}", verdict.name, verdict.version)).into())
    }
}
