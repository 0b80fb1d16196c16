//! `selvedge call`: any call of the table, by name, for people and scripts.

use std::path::Path;

use clap::Args;
use selvedge_contracts::{
    call::{self, CALLS, Call as Row},
    id::Mission,
    role::Role,
};
use selvedge_kit::{
    authority::Credential,
    client::{Client, Options},
    credential::Login,
    signature::Signer,
};
use serde_json::Value;

use super::lease::Who;
use crate::{
    connect::Context,
    exit::{Done, Failure},
    input,
    sessions::connect_as,
};

/// Make any call, by name, with a JSON payload.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge call registry.whoami
  selvedge call registry.whoami --as ada --mission demo
  selvedge call registry.session_list '{\"status\":\"open\"}' --mission demo
  selvedge call registry.contract_check - < check.json

Without --as the operator asks, or the only agent where there is no operator. What the payload may hold stands in contracts/schemas.")]
pub(crate) struct Call {
    /// The call, as service.call.
    call: String,
    /// Its payload as JSON, or - for standard input.
    #[arg(default_value = "{}")]
    payload: String,
    /// Ask as an agent registered here, under its present session: its id, or its name.
    #[arg(long = "as", value_name = "AGENT")]
    agent: Option<String>,
    /// The mission to ask in.
    #[arg(long, env = "SELVEDGE_MISSION")]
    mission: Option<Mission>,
    /// Makes repeated calls the same call; with another payload it is refused.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Longest wait for the answer; the call's own deadline unless said.
    #[arg(long, value_name = "TIME", value_parser = input::milliseconds)]
    timeout: Option<u64>,
}

impl Call {
    pub(crate) async fn run(self, context: &Context) -> Done {
        let row = find(&self.call)?;
        let payload = match self.payload.as_str() {
            "-" => input::json(Path::new("-"))?,
            text => input::parse_json(text, "the payload")?,
        };
        let client = match &self.agent {
            _ if context.given().is_some() => given(context).await?,
            Some(agent) => as_agent(context, agent, self.mission.as_ref(), Through::of(row)).await?,
            None if !context.home.operator_creds(&context.kluster).exists() && context.has_agents()? => {
                only_agent(context, self.mission.as_ref()).await?
            }
            None => as_operator(context, self.mission.as_ref()).await?,
        };
        let options =
            Options { idempotency_key: self.idempotency_key, timeout_ms: self.timeout, ..Options::default() };
        let answer = client.call_named(row, &payload, &options).await?;
        context.output.print(&answer.reply, |reply: &Value| format!("{reply:#}"))?;
        Ok(())
    }
}

fn find(name: &str) -> Result<&'static Row, Failure> {
    let found = name.split_once('.').and_then(|(service, call)| call::find(service.parse().ok()?, call));
    found.ok_or_else(|| {
        let known: Vec<String> = CALLS.iter().map(ToString::to_string).collect();
        Failure::usage(format!("there is no call {name}; there are: {}", known.join(", ")))
    })
}

/// Connects under the credential that a worker gave.
async fn given(context: &Context) -> Result<Client, Failure> {
    let login = context.given().ok_or_else(|| Failure::usage("SELVEDGE_CREDS names no credential"))?;
    context.connect(login).await
}

/// Connects as the operator, signing.
pub(crate) async fn as_operator(context: &Context, mission: Option<&Mission>) -> Result<Client, Failure> {
    let client = context.operator().await?;
    // The operator's identity key is its credential's own.
    let credential = Credential::read(&context.home.operator_creds(&context.kluster))?;
    let account = credential.claims()?.account().to_owned();
    let client = client.signing(Signer::new(credential.key()?, account, None));
    Ok(match mission {
        Some(mission) => client.in_mission(mission.clone()),
        None => client,
    })
}

/// Connects as the only agent registered here.
///
/// # Errors
/// [`Failure::Usage`] if there are several.
pub(crate) async fn only_agent(context: &Context, mission: Option<&Mission>) -> Result<Client, Failure> {
    let who = Who { agent: None, mission: mission.cloned() };
    Ok(who.agent(context).await?.client)
}

/// Which of an agent's credentials is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    /// That of its session.
    Session,
    /// That by which it starts sessions.
    Door,
}

impl Through {
    fn of(row: &Row) -> Self {
        if only_through_the_door(row) { Self::Door } else { Self::Session }
    }
}

/// Connects as an agent registered here, signing.
pub(crate) async fn as_agent(
    context: &Context,
    agent: &str,
    mission: Option<&Mission>,
    through: Through,
) -> Result<Client, Failure> {
    let agent = context.agent(agent)?;
    let mission = agent.mission(mission)?;
    if through == Through::Session {
        return connect_as(context, &agent, &mission).await;
    }
    let login = Login::held(agent.door(&mission)?);
    context.connect_signing(&agent.record.url, login, &agent.identity()?).await
}

fn only_through_the_door(row: &Row) -> bool {
    row.is_allowed_to(Role::Door) && !Role::MEMBERS.iter().any(|role| row.is_allowed_to(*role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_by_its_name_and_others_are_listed() {
        assert_eq!(find("registry.whoami").unwrap().name, "whoami");
        for bad in ["whoami", "registry.nothing", "nobody.whoami"] {
            assert!(find(bad).unwrap_err().to_string().contains("registry.session_start"), "{bad}");
        }
    }

    #[test]
    fn the_door_is_used_for_what_nothing_else_may_do() {
        let door = CALLS.iter().filter(|row| only_through_the_door(row)).map(|row| row.name);
        assert_eq!(door.collect::<Vec<_>>(), ["agent_rotate", "session_start"]);
    }
}
