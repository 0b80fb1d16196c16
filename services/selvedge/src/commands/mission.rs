//! `selvedge mission …`

use clap::{Args, Subcommand};
use selvedge_contracts::{call, fault::Fault, id::Mission as MissionId, payload::mission::MissionCreate};

use crate::{
    connect::Context,
    exit::Done,
    output::{fields, instant, table, visible_line},
    paging,
};

/// Missions: what agents work on together.
#[derive(Debug, Subcommand)]
pub(crate) enum Mission {
    Create(Create),
    List(List),
    Show(Show),
}

impl Mission {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Create(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
        }
    }
}

/// Create a mission; creating it again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge mission create demo --title 'the first one'")]
pub(crate) struct Create {
    /// Its name: lower-case letters, digits and dashes.
    name: MissionId,
    /// What it is about, in a line.
    #[arg(long, default_value = "")]
    title: String,
}

impl Create {
    async fn run(self, context: &Context) -> Done {
        let wanted = MissionCreate { mission: self.name, title: self.title };
        let reply = context.operator().await?.call::<call::MissionCreate>(&wanted).await?.reply;
        context.output.print(&reply.mission, |mission| format!("mission {}", mission.id))?;
        Ok(())
    }
}

/// List missions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge mission list
  selvedge mission list -o json")]
pub(crate) struct List {}

impl List {
    async fn run(self, context: &Context) -> Done {
        let missions = paging::missions(&context.operator().await?).await?;
        context.output.print_all(&missions, |missions| {
            let row = |mission: &selvedge_contracts::payload::mission::Mission| {
                [mission.id.to_string(), instant(mission.created_at_ms), mission.title.clone()]
            };
            let rows: Vec<_> = missions.iter().map(row).collect();
            table(
                ["mission", "created", "title"],
                &rows,
                "no missions; `selvedge mission create NAME` makes one",
            )
        })?;
        Ok(())
    }
}

/// Show a mission.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge mission show demo
  selvedge mission show demo -o json")]
pub(crate) struct Show {
    /// Its name.
    name: MissionId,
}

impl Show {
    async fn run(self, context: &Context) -> Done {
        let missions = paging::missions(&context.operator().await?).await?;
        let found = missions.into_iter().find(|mission| mission.id == self.name);
        let none = || Fault::not_found(format!("there is no mission {}", self.name));
        context.output.print(&found.ok_or_else(none)?, |mission| {
            fields(&[
                ("mission", mission.id.to_string()),
                ("title", visible_line(&mission.title)),
                ("created", instant(mission.created_at_ms)),
            ])
        })?;
        Ok(())
    }
}
