//! `selvedge contract …`

mod check;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    fault::Detail,
    id::ContractName,
    payload::contract::{
        Compatibility, Contract as Record, ContractAdd, ContractList, ContractShow, ContractSummary,
        ContractVersion,
    },
};

use crate::{
    connect::Context,
    exit::Done,
    input::{self, ContractReference},
    output::{fields, instant, table},
    paging,
};

/// Payload contracts: named, versioned JSON Schemas.
#[derive(Debug, Subcommand)]
pub(crate) enum Contract {
    Add(Add),
    List(List),
    Show(Show),
    Check(check::Check),
}

impl Contract {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Add(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
            Self::Check(verb) => verb.run(context).await,
        }
    }
}

/// Register the next version of a contract; the newest version's own schema changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge contract add research.summary schema.json
  jq .schema spec.json | selvedge contract add research.summary -")]
pub(crate) struct Add {
    /// Its name.
    name: ContractName,
    /// File with the JSON Schema, or - for standard input.
    file: PathBuf,
}

impl Add {
    async fn run(self, context: &Context) -> Done {
        let wanted = ContractAdd { name: self.name, schema: input::json(&self.file)? };
        let added = context.operator().await?.call::<call::ContractAdd>(&wanted).await?.reply.contract;
        context.output.print(&added, |added| {
            format!("{}/{}\n{}", added.name, added.version, compatibility(&added.compatibility))
        })?;
        Ok(())
    }
}

fn compatibility(compatibility: &Compatibility) -> String {
    match compatibility {
        Compatibility::First => "first version".to_owned(),
        Compatibility::Compatible => "compatible with the version before".to_owned(),
        Compatibility::Breaking { reasons } => {
            format!("breaks the version before:\n{}", lines(reasons))
        }
        Compatibility::Unknown { reasons } => {
            format!("cannot be compared with the version before:\n{}", lines(reasons))
        }
    }
}

fn lines(details: &[Detail]) -> String {
    let at = |detail: &Detail| {
        if detail.at.is_empty() { "(document)".to_owned() } else { detail.at.clone() }
    };
    details.iter().map(|detail| format!("{}: {}\n", at(detail), detail.message)).collect()
}

/// List contracts and their versions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge contract list
  selvedge contract list --name research.summary")]
pub(crate) struct List {
    /// Only versions of this contract.
    #[arg(long)]
    name: Option<ContractName>,
}

impl List {
    async fn run(self, context: &Context) -> Done {
        let operator = context.operator().await?;
        let ask = async |after| {
            let wanted = ContractList { name: self.name.clone(), after, limit: None };
            let reply = operator.call::<call::ContractList>(&wanted).await?.reply;
            Ok((reply.contracts, reply.more))
        };
        let key = |contract: &ContractSummary| ContractVersion {
            name: contract.name.clone(),
            version: contract.version,
        };
        let contracts = paging::all(key, ask).await?;
        context.output.print_all(&contracts, |contracts| {
            let rows: Vec<_> = contracts.iter().map(row).collect();
            table(["contract", "version", "compatibility", "digest"], &rows, "no contracts")
        })?;
        Ok(())
    }
}

fn row(contract: &ContractSummary) -> [String; 4] {
    let is = match contract.compatibility {
        Compatibility::First => "first",
        Compatibility::Compatible => "compatible",
        Compatibility::Breaking { .. } => "breaking",
        Compatibility::Unknown { .. } => "unknown",
    };
    [contract.name.to_string(), contract.version.to_string(), is.to_owned(), contract.digest.clone()]
}

/// Show one version of a contract.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge contract show research.summary
  selvedge contract show research.summary/1 -o json")]
pub(crate) struct Show {
    /// The contract, as NAME for its newest version or NAME/VERSION.
    contract: ContractReference,
}

impl Show {
    async fn run(self, context: &Context) -> Done {
        let ContractReference { name, version } = self.contract;
        let wanted = ContractShow { name, version };
        let shown = context.operator().await?.call::<call::ContractShow>(&wanted).await?.reply.contract;
        context.output.print(&shown, human)?;
        Ok(())
    }
}

fn human(contract: &Record) -> String {
    let head = fields(&[
        ("contract", format!("{}/{}", contract.name, contract.version)),
        ("added", instant(contract.added_at_ms)),
        ("digest", contract.digest.clone()),
    ]);
    format!("{head}{}\n{:#}", compatibility(&contract.compatibility).trim_end(), contract.schema)
}
