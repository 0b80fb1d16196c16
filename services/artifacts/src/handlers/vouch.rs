//! Whether others may build on content: asked by the services that check what agents want done. What may be
//! used is pinned for the agent, so that it is there when the fact that names it is.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use selvedge_contracts::{
    fault::{Code, Fault},
    id::{ArtifactRef, Digest},
    payload::artifact::{Meaning, VersionState, Vouch, Vouched},
};
use selvedge_kit::{
    clock::Deadline,
    service::{Answer, Call},
};

use crate::{
    access::{Asker, Meant, unknown_content},
    rule::state_name,
    state::Artifacts,
};

/// Contents that are looked at together.
const AT_ONCE: usize = 32;

pub(super) async fn vouch(state: Arc<Artifacts>, call: Arc<Call>, request: Vouch) -> Answer<Vouched> {
    let Vouch { digests, artifacts, reader, role } = request;
    let asker = Asker { mission: call.mission(), caller: &reader, role };
    let (state, deadline) = (state.as_ref(), call.deadline());
    let held = digests.iter().map(|digest| state.held(asker, digest, deadline)).collect::<Vec<_>>();
    let meant = artifacts.iter().map(|meant| meaning(state, asker, meant, deadline)).collect::<Vec<_>>();
    let (held, meant) = tokio::try_join!(
        stream::iter(held).buffered(AT_ONCE).try_collect::<Vec<_>>(),
        stream::iter(meant).buffered(AT_ONCE).try_collect::<Vec<_>>()
    )?;
    let (found, missing): (Vec<_>, Vec<_>) = digests.iter().zip(held).partition(|(_, held)| held.is_some());
    let not_valid = found.into_iter().filter(|(digest, _)| !is_valid(state, asker, digest));
    Ok(Vouched {
        missing: missing.into_iter().map(|(digest, _)| digest.clone()).collect(),
        not_valid: not_valid.map(|(digest, _)| digest.clone()).collect(),
        meant,
    })
}

/// What a reference means to the reader.
async fn meaning(
    state: &Artifacts,
    asker: Asker<'_>,
    artifact: &ArtifactRef,
    deadline: Deadline,
) -> Answer<Meaning> {
    let Meant { digest, named } = match state.meant(asker, artifact, deadline).await {
        Ok(meant) => meant,
        Err(Fault { code: Code::NotFound | Code::Denied | Code::Invalid, message, .. }) => {
            return Ok(Meaning::Unusable(message));
        }
        Err(fault) => return Err(fault),
    };
    if let Some(known) = named.filter(|known| known.version.state != VersionState::Valid) {
        let (name, number) = (known.name, known.version.version);
        return Ok(Meaning::Unusable(format!("{name}@v{number} is {}", state_name(known.version.state))));
    }
    Ok(match state.held(asker, &digest, deadline).await? {
        Some(_) => Meaning::Content(digest),
        None => Meaning::Unusable(unknown_content(&digest).message),
    })
}

/// Whether content that has names is valid under one of them.
fn is_valid(state: &Artifacts, asker: Asker<'_>, digest: &Digest) -> bool {
    let any = |fits: fn(VersionState) -> bool| {
        state.versions.any_with(asker.mission, digest, |version| fits(version.state))
    };
    any(|state| state == VersionState::Valid) || !any(|_| true)
}
