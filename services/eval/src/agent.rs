//! Agents that a run invites: their keys are made here and nowhere written.

use selvedge_contracts::{
    call,
    fault::Fault,
    id::{AgentId, Caller, Owner},
    payload::{
        agent::{About, Join},
        intent::{Approve, Intent, IntentReply, approval_text},
        session::{Session, SessionStart},
    },
    role::Role,
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

use crate::{
    arena::{Arena, ask},
    error::Error,
};

/// How long a session's credential is good, in milliseconds: longer than a run may take.
const SESSION_MS: u64 = 6 * 3_600_000;

/// An agent in a session.
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) role: Role,
    pub(crate) owner: Owner,
    key: UserKey,
    /// Asks through its `door` credential, signing.
    pub(crate) door: Client,
    pub(crate) working: Working,
}

/// A session and whoever asks under it.
pub(crate) struct Working {
    pub(crate) session: Session,
    pub(crate) credential: Credential,
    pub(crate) client: Client,
}

impl Agent {
    /// Joins under a fresh invite, and starts a session.
    pub(crate) async fn join(arena: &Arena, name: &str, role: Role, owner: Owner) -> Result<Self, Error> {
        let key = UserKey::generate();
        let invite = arena.invite(role, &owner).await?;
        let client = arena.connect(Login::held(invite)).await?.signing(arena.signer(&key)?);
        let join = Join { name: name.parse()?, about: About::default() };
        let joined = client.call::<call::Join>(&join).await.map_err(Error::at("an agent joins"))?.reply;
        let none = || Fault::internal("the registry answered without a door credential");
        let jwt = joined.door.jwt.ok_or_else(none).map_err(Error::at("an agent joins"))?;
        let door = arena.connect(Login::held(key.credential(jwt)?)).await?.signing(arena.signer(&key)?);
        let working = start(arena, &door, &key, None).await?;
        Ok(Self { id: joined.agent.id, role, owner, key, door, working })
    }

    /// Asks under its session.
    pub(crate) fn client(&self) -> &Client {
        &self.working.client
    }

    /// As requests name it.
    pub(crate) fn caller(&self) -> &str {
        self.id.as_str()
    }

    /// Asks under its session by way of a fresh connection.
    pub(crate) async fn again(&self, arena: &Arena) -> Result<Client, Error> {
        let login = Login::held(self.working.credential.clone());
        Ok(arena.connect(login).await?.signing(arena.signer(&self.key)?))
    }

    /// One more session, of these calls alone if some are named.
    pub(crate) async fn session(&self, arena: &Arena, calls: Option<&[&str]>) -> Result<Working, Error> {
        start(arena, &self.door, &self.key, calls).await
    }

    /// Approves an intent as it stands.
    pub(crate) async fn approve(&self, intent: &Intent) -> Result<IntentReply, Fault> {
        let decision = intent.decision.as_ref().ok_or_else(|| Fault::conflict("nothing was decided yet"))?;
        let digest = decision.approval_digest.clone();
        let text = approval_text(&self.id, &intent.id, &digest);
        let signature = self.key.prove(&text).map_err(|error| Fault::internal(error.to_string()))?;
        let approve = Approve { intent: intent.id.clone(), digest, signature };
        Ok(self.client().call::<call::IntentApprove>(&approve).await?.reply)
    }

    /// Ends its session.
    pub(crate) async fn end(working: &Working) -> Result<(), Fault> {
        ask::<call::SessionEnd>(&working.client, serde_json::json!({ "reason": "a trial" })).await.map(|_| ())
    }
}

async fn start(
    arena: &Arena,
    door: &Client,
    identity: &UserKey,
    calls: Option<&[&str]>,
) -> Result<Working, Error> {
    let key = UserKey::generate();
    let wanted = SessionStart {
        credential_key: key.public()?,
        ttl_ms: Some(SESSION_MS),
        presence_ttl_ms: Some(SESSION_MS),
        request: None,
        calls: calls.map(|calls| calls.iter().map(ToString::to_string).collect()),
    };
    let started =
        door.call::<call::SessionStart>(&wanted).await.map_err(Error::at("a session starts"))?.reply;
    let session = started.session;
    let jwt = match started.credential.jwt {
        Some(jwt) => jwt,
        None => {
            arena.kluster().signer(session.role)?.mint(&tags(&session)?, &key.public()?, life(&session))?
        }
    };
    let credential = key.credential(jwt)?;
    let client = arena.connect(Login::held(credential.clone())).await?.signing(arena.signer(identity)?);
    Ok(Working { session, credential, client })
}

fn tags(session: &Session) -> Result<Tags, Error> {
    let agent = Caller::new(session.agent.as_str())?;
    Ok(Tags { mission: session.mission.clone(), agent, scope: session.id.clone() })
}

fn life(session: &Session) -> Life {
    Life { now_ms: now_ms(), expires_at_ms: session.expires_at_ms }
}
