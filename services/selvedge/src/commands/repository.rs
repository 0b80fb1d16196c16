//! `selvedge repository …`: where the committer records.

use std::path::Path;

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{Mission, RepositoryName},
    payload::{
        Nothing,
        repository::{RepositoryReply, RepositorySet},
    },
};

use super::lease::Who;
use crate::{
    connect::Context,
    exit::Done,
    output::{fields, instant, table, visible_line},
};

/// Repositories: where the committer records, by name within a mission.
#[derive(Debug, Subcommand)]
pub(crate) enum Repository {
    Set(Set),
    List(List),
    Show(Show),
}

impl Repository {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Set(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
        }
    }
}

/// Name a repository in which the committer records, or move it. The operator alone may.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge repository set record /srv/git/shop.git
  selvedge repository set record git@example.org:team/shop.git --mission demo

A path is one of the committer's machine, of a bare repository. A URL holds no password: what git needs to
reach it is the committer's own configuration.")]
pub(crate) struct Set {
    /// Its name.
    name: RepositoryName,
    /// A path, or a URL that git understands.
    location: String,
    /// Its mission; need not be said if there is only one.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
}

impl Set {
    async fn run(self, context: &Context) -> Done {
        let who = Who { agent: None, mission: self.mission };
        let asking = who.operator(context).await?;
        let wanted = RepositorySet { name: self.name, location: located(&self.location)? };
        let set = asking.client.call::<call::RepositorySet>(&wanted).await?.reply;
        context.output.print(&set, human)?;
        Ok(())
    }
}

/// A folder as typed, from the root on; everything else as it is.
fn located(typed: &str) -> std::io::Result<String> {
    if !Path::new(typed).is_dir() {
        return Ok(typed.to_owned());
    }
    let absolute = std::path::absolute(typed)?;
    Ok(absolute.to_str().map_or_else(|| typed.to_owned(), str::to_owned))
}

fn human(reply: &RepositoryReply) -> String {
    let repository = &reply.repository;
    fields(&[
        ("repository", format!("{} in {}", repository.name, repository.mission)),
        ("location", visible_line(&repository.location)),
        ("set", format!("{} by {}", instant(repository.set_at_ms), repository.set_by)),
        ("revision", reply.revision.to_string()),
    ])
}

/// List the repositories.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge repository list
  selvedge repository list --as ada -o json")]
pub(crate) struct List {
    #[command(flatten)]
    who: Who,
}

impl List {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let found = asking.client.call::<call::RepositoryList>(&Nothing {}).await?.reply.repositories;
        context.output.print_all(&found, |found| {
            let rows: Vec<_> = found.iter().map(row).collect();
            table(
                ["repository", "location", "set", "by"],
                &rows,
                "no repositories; `selvedge repository set` names one",
            )
        })?;
        Ok(())
    }
}

fn row(reply: &RepositoryReply) -> [String; 4] {
    let repository = &reply.repository;
    [
        repository.name.to_string(),
        visible_line(&repository.location),
        instant(repository.set_at_ms),
        repository.set_by.to_string(),
    ]
}

/// Show a repository.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge repository show record
  selvedge repository show record --as ada -o json")]
pub(crate) struct Show {
    /// Its name in the mission.
    name: RepositoryName,
    #[command(flatten)]
    who: Who,
}

impl Show {
    async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let found = asking.client.call::<call::RepositoryList>(&Nothing {}).await?.reply.repositories;
        let found = found.into_iter().find(|reply| reply.repository.name == self.name);
        let none = || Fault::not_found(format!("there is no repository {} in {}", self.name, asking.mission));
        context.output.print(&found.ok_or_else(none)?, human)?;
        Ok(())
    }
}
