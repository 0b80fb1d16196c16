//! Sessions of agents registered from here: started through the door, renewed while they last, their
//! credential always for a fresh key pair that is made here and written nowhere but in the `.creds`.
//!
//! What the registry may not sign for (approvers, operators), the operator's keys sign here, from the
//! session that the registry recorded.

mod wanted;

use std::path::{Path, PathBuf};

use selvedge_contracts::{
    call,
    id::{Caller, Mission},
    payload::session::{CredentialRenew, Session, SessionReply, SessionStart},
    role::{Role, Scope},
    subject::request_prefix,
};
use selvedge_kit::{
    authority::{
        Credential, UserKey,
        jwt::{Life, Tags},
    },
    client::Client,
    clock::now_ms,
    credential::Login,
};
use serde::Serialize;

pub(crate) use wanted::Wanted;

use crate::{agent_folder::AgentFolder, connect::Context, exit::Failure, output};

/// Which agent's session, where its credential is kept, and what it is asked to be.
pub(crate) struct Sessions<'a> {
    /// How to reach the fabric.
    pub context: &'a Context,
    /// The agent.
    pub agent: &'a AgentFolder,
    /// The mission.
    pub mission: Mission,
    /// The role, if only a session in that role will do.
    pub role: Option<Role>,
    /// File of the credential.
    pub path: PathBuf,
    /// What it is asked to be.
    pub wanted: Wanted,
}

/// A session and where its credential lies.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Opened {
    /// The session.
    pub session: Session,
    /// File of its credential.
    pub creds: PathBuf,
    /// Inbox prefix that any NATS client must be given.
    pub inbox_prefix: String,
    /// Requests go to this, a dot, the service, a dot and the call.
    pub request_prefix: String,
}

impl Opened {
    /// For people.
    pub(crate) fn human(&self) -> String {
        let Self { session, creds, inbox_prefix, request_prefix } = self;
        output::fields(&[
            ("agent", session.agent.to_string()),
            ("role", format!("{} in {}", session.role, session.mission)),
            ("owner", session.owner.to_string()),
            ("session", session.id.to_string()),
            ("creds", creds.display().to_string()),
            ("inbox prefix", inbox_prefix.clone()),
            ("requests", format!("{request_prefix}.<service>.<call>")),
            ("expires", output::instant(session.expires_at_ms)),
        ])
    }
}

impl Sessions<'_> {
    /// Renews the session whose credential lies there, or starts one if it is over or not as wanted.
    pub(crate) async fn open(&self) -> Result<Opened, Failure> {
        match self.renew_present().await {
            Some(opened) => Ok(opened),
            None => self.start().await,
        }
    }

    /// Starts a session.
    pub(crate) async fn start(&self) -> Result<Opened, Failure> {
        let door = Login::held(self.agent.door(&self.mission)?);
        let client =
            self.context.connect_signing(&self.agent.record.url, door, &self.agent.identity()?).await?;
        let key = UserKey::generate();
        let wanted = &self.wanted;
        let start = SessionStart {
            credential_key: key.public()?,
            ttl_ms: wanted.ttl,
            presence_ttl_ms: Some(wanted.presence_ms()),
            request: wanted.request.clone(),
            calls: (!wanted.calls.is_empty()).then(|| wanted.calls.clone()),
        };
        let reply = client.call::<call::SessionStart>(&start).await?.reply;
        self.keep(reply, &key)
    }

    /// Whatever is wrong with the present session, a new one mends it or says why it cannot.
    async fn renew_present(&self) -> Option<Opened> {
        let credential = Credential::read(&self.path).ok()?;
        let is_alive = credential.claims().ok()?.expires_at_ms().is_some_and(|at_ms| at_ms > now_ms());
        let identity = credential.identity().ok()?;
        let is_ours =
            identity.agent.as_str() == self.agent.record.id.as_str() && identity.mission == self.mission;
        let is_meant = self.role.is_none_or(|role| role == identity.scope.role);
        if !is_alive || !is_ours || !is_meant {
            return None;
        }
        let client = self.connect().await.ok()?;
        self.renew(&client).await.ok().filter(|opened| self.wanted.asks_for_no_other(&opened.session))
    }

    /// Connects under the session's credential, which is read anew at every connection.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let login = Login::File(self.path.clone());
        self.context.connect_signing(&self.agent.record.url, login, &self.agent.identity()?).await
    }

    /// Renews the credential of the session that `client` holds.
    pub(crate) async fn renew(&self, client: &Client) -> Result<Opened, Failure> {
        let key = UserKey::generate();
        let renew = CredentialRenew { credential_key: key.public()?, ttl_ms: self.wanted.ttl };
        let reply = client.call::<call::CredentialRenew>(&renew).await?.reply;
        self.keep(reply, &key)
    }

    fn keep(&self, reply: SessionReply, key: &UserKey) -> Result<Opened, Failure> {
        let SessionReply { session, credential, door } = reply;
        if let Some(jwt) = door.and_then(|door| door.jwt) {
            // Every session renews the door, or an agent would need a new invite one day.
            self.agent.keep_door(&session.mission, &self.agent.identity()?.credential(jwt)?)?;
        }
        let jwt = credential.jwt.map_or_else(|| mint(self.context, &session, key), Ok)?;
        key.credential(jwt)?.write(&self.path)?;
        let scope = Scope { role: session.role, id: session.id.clone() };
        Ok(Opened {
            request_prefix: request_prefix(&session.mission, &caller(&session)?, &scope),
            creds: absolute(&self.path)?,
            inbox_prefix: credential.inbox_prefix,
            session,
        })
    }
}

/// Connects under the session of an agent registered here. One whose credential has ended is followed by another, as
/// the agent's own key may start one; `revoked` is for the registry to say.
///
/// # Errors
/// [`Failure::Usage`] if there is no session here, or its file is none; as [`Context::connect_at`].
pub(crate) async fn connect_as(
    context: &Context,
    agent: &AgentFolder,
    mission: &Mission,
) -> Result<Client, Failure> {
    let path = agent.creds_path(mission);
    let anew = format!("`selvedge agent creds {} --mission {mission}`", agent.record.name);
    if !path.exists() {
        return Err(Failure::usage(format!("{} has no session here; {anew} starts one", agent.record.id)));
    }
    let claims = Credential::read(&path).and_then(|credential| credential.claims());
    let unusable = |error| Failure::usage(format!("{}: {error}; {anew} writes it anew", path.display()));
    let claims = claims.map_err(unusable)?;
    let wanted = Wanted::default();
    let sessions = Sessions { context, agent, mission: mission.clone(), role: None, path, wanted };
    if claims.expires_at_ms().is_some_and(|at_ms| at_ms <= now_ms()) {
        let failed = |failure: Failure| match failure {
            Failure::Fault(fault) => Failure::Fault(fault.at("", format!("{anew} tells more"))),
            failure => failure,
        };
        let opened = sessions.start().await.map_err(failed)?;
        if context.output == output::Format::Human {
            let (id, session) = (&agent.record.id, &opened.session.id);
            output::hint(&format!("the session of {id} was over: {session} was started, for no request"));
        }
    }
    sessions.connect().await
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}

fn caller(session: &Session) -> Result<Caller, Failure> {
    Caller::new(session.agent.as_str()).map_err(|error| Failure::usage(error.to_string()))
}

/// Signs for a role that the registry may not sign for.
fn mint(context: &Context, session: &Session, key: &UserKey) -> Result<String, Failure> {
    let (_, kluster) = context.keys()?;
    let tags = Tags { mission: session.mission.clone(), agent: caller(session)?, scope: session.id.clone() };
    let life = Life { now_ms: now_ms(), expires_at_ms: session.expires_at_ms };
    Ok(kluster.signer(session.role)?.mint(&tags, &key.public()?, life)?)
}
