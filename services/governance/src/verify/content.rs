//! Whether the content that an intent names is there, and its proposer may use it.

use selvedge_contracts::{
    call,
    fault::{Detail, Fault},
    id::{ArtifactRef, Caller, Digest, Mission},
    payload::{
        artifact::{Meaning, Reference, Vouch, Vouched},
        intent::Intent,
    },
    role::Role,
};
use selvedge_kit::{client::Options, clock::Deadline, service::Answer};

use crate::{intent::detail, state::Governance};

/// Most contents that are asked about in one call: few enough to be pinned within its time.
const AT_ONCE: usize = 1_000;

/// For whom content is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) mission: &'a Mission,
    pub(crate) caller: &'a Caller,
    pub(crate) role: Role,
}

/// Asks the service that keeps content about all that the intent names; everything missing is listed.
pub(super) async fn check(state: &Governance, intent: &Intent, deadline: Deadline) -> Answer<Vec<Detail>> {
    let mut digests: Vec<Digest> = intent.digests().cloned().collect();
    digests.sort();
    digests.dedup();
    let reader = Reader { mission: &intent.mission, caller: &intent.proposer, role: intent.role };
    let mut reasons = Vec::new();
    for some in digests.chunks(AT_ONCE) {
        let vouched = vouch(state, reader, some, &[], deadline).await?;
        reasons.extend(vouched.missing.iter().map(|digest| {
            let message = format!(
                "there is no content {digest} that {} may read; put it, then propose again",
                intent.proposer
            );
            detail(&place(intent, digest), message)
        }));
        let not_valid = vouched.not_valid.iter().filter(|digest| intent.inputs.contains(digest));
        reasons.extend(not_valid.map(|digest| {
            detail(&place(intent, digest), format!("{digest} is valid under none of its names"))
        }));
    }
    Ok(reasons)
}

/// The digests of what the proposer says its intent rests on, each once and in order.
///
/// # Errors
/// `invalid` with every reference that means nothing it may use.
pub(crate) async fn resolve(
    state: &Governance,
    reader: Reader<'_>,
    inputs: &[ArtifactRef],
    at: &str,
    deadline: Deadline,
) -> Answer<Vec<Digest>> {
    let mut digests = Vec::with_capacity(inputs.len());
    let mut named = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        match Reference::parse(input.as_str()) {
            Some(Reference::Content(digest)) => digests.push(digest),
            _ => named.push((index, input.clone())),
        }
    }
    if !named.is_empty() {
        let (places, references): (Vec<_>, Vec<_>) = named.into_iter().unzip();
        let vouched = vouch(state, reader, &[], &references, deadline).await?;
        let mut fault = Fault::invalid("an input cannot be used");
        for ((place, reference), meaning) in places.iter().zip(&references).zip(vouched.meant) {
            match meaning {
                Meaning::Content(digest) => digests.push(digest),
                Meaning::Unusable(reason) => {
                    fault = fault.at(format!("{at}/{place}"), format!("{reference}: {reason}"));
                }
            }
        }
        if !fault.details.is_empty() {
            return Err(fault);
        }
    }
    digests.sort();
    digests.dedup();
    Ok(digests)
}

async fn vouch(
    state: &Governance,
    reader: Reader<'_>,
    digests: &[Digest],
    artifacts: &[ArtifactRef],
    deadline: Deadline,
) -> Answer<Vouched> {
    let Reader { mission, caller, role } = reader;
    let vouch =
        Vouch { digests: digests.to_vec(), artifacts: artifacts.to_vec(), reader: caller.clone(), role };
    let timeout_ms = u64::try_from(deadline.remaining().as_millis()).ok();
    let client = state.client.clone().in_mission(mission.clone());
    let options = Options { timeout_ms, ..Options::default() };
    let answered = client.call_with::<call::ArtifactVouch>(&vouch, &options).await?.reply;
    if answered.meant.len() != artifacts.len() {
        return Err(Fault::internal(
            "the service artifacts answered about other content than it was asked about",
        ));
    }
    Ok(answered)
}

/// Where the intent names a digest.
fn place(intent: &Intent, digest: &Digest) -> String {
    if let Some(index) = intent.inputs.iter().position(|input| input == digest) {
        return format!("/inputs/{index}");
    }
    let at = if intent.effect.digests().contains(&digest) { "/effect" } else { "/undo" };
    at.to_owned()
}
