//! `selvedge agent invite`: records an invite and mints its token with the operator's keys.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{Caller, InviteId, Mission, Owner, ScopeId},
    payload::{Nothing, invite::InviteCreate},
    role::Role,
};
use selvedge_kit::{
    authority::{
        files,
        jwt::{Life, Tags},
    },
    client::Client,
    clock::now_ms,
};
use serde::Serialize;

use crate::{
    connect::Context,
    exit::{Done, Failure},
    input,
    join_token::{self, JoinToken},
    output::{Format, hint, instant, say},
};

/// Make a one-time join token, with which an agent on another machine registers itself.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge agent invite --role worker --mission demo
  selvedge agent invite --role worker --mission demo --ttl 15m --out ada.join
  selvedge agent invite --role worker --mission demo | ssh elsewhere selvedge agent register ada --join -

The token alone goes to standard output, as one line. It is a secret, and good once. The other machine
must reach the URL in it: name it with --url if it is not the one used here.")]
pub(crate) struct Invite {
    #[command(flatten)]
    offer: Offer,
    /// How long the token is good for.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = input::milliseconds)]
    ttl: u64,
    /// Where the other machine connects; where this command does unless said.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File for the token, of mode 0600, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What an invite offers.
#[derive(Debug, Clone, Args)]
pub(crate) struct Offer {
    /// Role that the agent gets: planner, worker, verifier, arbitrator, approver or operator.
    #[arg(long)]
    pub(super) role: Role,
    /// Mission in which it gets the role.
    #[arg(long, env = "SELVEDGE_MISSION", required = false)]
    pub(super) mission: Mission,
    /// Who answers for the agent, such as person:ada; the operator's own owner unless said.
    #[arg(long)]
    pub(super) owner: Option<Owner>,
}

/// The token as JSON output shows it.
#[derive(Serialize)]
struct Shown {
    token: String,
    mission: Mission,
    role: Role,
    expires_at_ms: u64,
}

impl Invite {
    pub(super) async fn run(self, context: &Context) -> Done {
        let mut token = create(context, &self.offer, self.ttl).await?;
        token.url = self.url.unwrap_or(token.url);
        let JoinToken { mission, role, expires_at_ms, .. } = token.clone();
        let text = token.to_string();
        hint(&format!(
            "good once, until {}, for a {role} in {mission}; on the other machine: selvedge agent register NAME --join FILE (or - , or {})",
            instant(expires_at_ms),
            join_token::VARIABLE
        ));
        if is_loopback(&token.url) {
            hint(&format!(
                "only this machine reaches {}; for another start `selvedge up` with server.host = \"0.0.0.0\" (or SELVEDGE_SERVER__HOST) and say --url nats://THIS-MACHINE:PORT here",
                token.url
            ));
        }
        match (self.out, context.output) {
            (Some(path), _) => files::write(&path, &format!("{text}\n"))?,
            (None, Format::Human) => say(&text)?,
            (None, format) => {
                format.print(&Shown { token: text, mission, role, expires_at_ms }, |_| String::new())?
            }
        }
        Ok(())
    }
}

/// Whether an address means the machine that it is said on.
fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

/// Records an invite and mints the credential that redeems it.
pub(super) async fn create(context: &Context, offer: &Offer, ttl_ms: u64) -> Result<JoinToken, Failure> {
    if !context.home.authority().exists() {
        context.until_up().await;
    }
    let (_, kluster) = context.keys()?;
    let operator = context.operator().await?;
    let owner = match &offer.owner {
        Some(owner) => owner.clone(),
        None => own_owner(&operator).await?,
    };
    let Offer { role, mission, .. } = offer.clone();
    let text = format!("invite_{:016x}", rand::random::<u64>());
    let id = InviteId::new(&text).map_err(|error| Fault::internal(error.to_string()))?;
    let wanted = InviteCreate { id, mission: mission.clone(), role, owner, ttl_ms };
    let expires_at_ms = operator.call::<call::InviteCreate>(&wanted).await?.reply.invite.expires_at_ms;
    let name = |error: selvedge_contracts::id::InvalidToken| Fault::internal(error.to_string());
    let tags = Tags {
        mission: mission.clone(),
        agent: Caller::new(&text).map_err(name)?,
        scope: ScopeId::new(&text).map_err(name)?,
    };
    let credential =
        kluster.signer(Role::Join)?.credential(&tags, Life { now_ms: now_ms(), expires_at_ms })?;
    Ok(JoinToken {
        v: JoinToken::VERSION,
        url: context.url()?,
        kluster: context.kluster.clone(),
        account: kluster.account(),
        jwt: credential.jwt,
        seed: credential.seed,
        mission,
        role,
        expires_at_ms,
    })
}

async fn own_owner(operator: &Client) -> Result<Owner, Failure> {
    let me = operator.call::<call::Whoami>(&Nothing {}).await?.reply;
    me.owner.ok_or_else(|| Failure::usage("the operator has no owner of its own: say --owner person:NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_alone_is_known() {
        for local in ["nats://127.0.0.1:4222", "localhost:4222", "tls://[::1]:4222"] {
            assert!(is_loopback(local), "{local}");
        }
        for far in ["nats://10.0.0.7:4222", "nats://fabric:4222", "nats://0.0.0.0:4222"] {
            assert!(!is_loopback(far), "{far}");
        }
    }
}
