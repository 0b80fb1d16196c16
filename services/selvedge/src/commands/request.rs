//! `selvedge request …`

use std::path::Path;

use clap::{Args, Subcommand};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{Mission, RequestId},
    payload::request::{RequestClose, RequestList, RequestOpen, RequestStatus, UserRequest},
};
use selvedge_kit::client::Client;

use crate::{
    connect::Context,
    exit::{Done, Failure},
    input,
    output::{fields, instant, name, table, visible, visible_line},
    paging,
};

/// User requests: the roots of all work.
#[derive(Debug, Subcommand)]
pub(crate) enum Request {
    Open(Open),
    Close(Close),
    List(List),
    Show(Show),
}

impl Request {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Open(verb) => verb.run(context).await,
            Self::Close(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Show(verb) => verb.run(context).await,
        }
    }
}

/// Open a user request.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge request open 'fix the login page' --mission demo
  selvedge request open 'fix the login page' --mission demo --text - < report.txt")]
pub(crate) struct Open {
    /// In a line.
    title: String,
    /// In full, or - for standard input.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    text: String,
    /// Its mission.
    #[arg(long, env = "SELVEDGE_MISSION", required = false)]
    mission: Mission,
}

impl Open {
    async fn run(self, context: &Context) -> Done {
        let text = if self.text == "-" { input::text(Path::new("-"))? } else { self.text };
        let wanted = RequestOpen { title: self.title, text };
        let operator = context.operator_in(&self.mission).await?;
        let request = operator.call::<call::RequestOpen>(&wanted).await?.reply.request;
        context.output.print(&request, |request| request.id.to_string())?;
        Ok(())
    }
}

/// Close a user request.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge request close request_0a1b2c3d4e5f6071 --mission demo --reason done")]
pub(crate) struct Close {
    /// The request.
    request: RequestId,
    /// How it ended.
    #[arg(long)]
    reason: String,
    /// Its mission; looked for in all unless said.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
}

impl Close {
    async fn run(self, context: &Context) -> Done {
        let operator = context.operator().await?;
        let id = (&self.request).into();
        let entity = selvedge_contracts::fact::EntityName::Request;
        let (mission, _) = paging::find(&operator, self.mission.as_ref(), entity, &id).await?;
        let wanted = RequestClose { request: self.request, reason: self.reason };
        let request = operator.in_mission(mission).call::<call::RequestClose>(&wanted).await?.reply.request;
        context.output.print(&request, |request| format!("{} is {}", request.id, name(&request.status)))?;
        Ok(())
    }
}

/// List user requests.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge request list
  selvedge request list --mission demo --status open")]
pub(crate) struct List {
    /// Only requests of this mission.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    /// Only requests in this state: open or closed.
    #[arg(long, value_parser = status)]
    status: Option<RequestStatus>,
}

fn status(text: &str) -> Result<RequestStatus, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected open or closed".to_owned())
}

impl List {
    async fn run(self, context: &Context) -> Done {
        let operator = context.operator().await?;
        let found = all(&operator, self.mission.as_ref(), self.status).await?;
        context.output.print_all(&found, |requests| {
            let rows: Vec<_> = requests.iter().map(row).collect();
            table(["request", "mission", "status", "owner", "opened", "title"], &rows, "no requests")
        })?;
        Ok(())
    }
}

/// Every request of the mission named, or of all.
async fn all(
    operator: &Client,
    mission: Option<&Mission>,
    status: Option<RequestStatus>,
) -> Result<Vec<UserRequest>, Failure> {
    let mut found = Vec::new();
    for mission in paging::missions_meant(operator, mission).await? {
        let client = operator.clone().in_mission(mission);
        let ask = async |after| {
            let wanted = RequestList { status, after, limit: None };
            let reply = client.call::<call::RequestList>(&wanted).await?.reply;
            Ok((reply.requests, reply.more))
        };
        found.extend(paging::all(|request: &UserRequest| request.id.clone(), ask).await?);
    }
    Ok(found)
}

/// Show a user request, in full.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge request show request_0a1b2c3d4e5f6071
  selvedge request show request_0a1b2c3d4e5f6071 --mission demo -o json")]
pub(crate) struct Show {
    /// The request.
    request: RequestId,
    /// Its mission; looked for in all unless said.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
}

impl Show {
    async fn run(self, context: &Context) -> Done {
        let operator = context.operator().await?;
        let mut found = all(&operator, self.mission.as_ref(), None).await?.into_iter();
        let none = || Fault::not_found(format!("there is no request {}", self.request));
        let request = found.find(|request| request.id == self.request).ok_or_else(none)?;
        context.output.print(&request, human)?;
        Ok(())
    }
}

fn human(request: &UserRequest) -> String {
    let text = fields(&[
        ("request", request.id.to_string()),
        ("title", visible_line(&request.title)),
        ("mission", request.mission.to_string()),
        ("status", name(&request.status)),
        ("owner", request.owner.to_string()),
        ("opened", instant(request.opened_at_ms)),
    ]);
    if request.text.is_empty() { text } else { format!("{text}\n{}\n", visible(&request.text)) }
}

fn row(request: &UserRequest) -> [String; 6] {
    [
        request.id.to_string(),
        request.mission.to_string(),
        name(&request.status),
        request.owner.to_string(),
        instant(request.opened_at_ms),
        request.title.clone(),
    ]
}
