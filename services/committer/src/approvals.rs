//! Whether an intent's approvals hold, by their signatures alone: what governance says is not taken on trust.
//! Whoever wants an effect without consent would have to forge the approvers' own keys.

use std::collections::BTreeSet;

use selvedge_contracts::{
    fact::EntityName,
    fault::{Detail, Fault},
    id::{AgentId, EntityId, Mission, Owner, PublicKey},
    payload::intent::{Decision, Grant, Intent, approval_digest, approval_text},
    subject::Entity,
};
use selvedge_kit::signature::{decode_base64url, verify_text};

/// Who the approvers are, as the registry has it on record.
pub(crate) trait Approvers {
    /// The agent that the key was bound to, for ever.
    fn holder(&self, key: &PublicKey) -> Option<AgentId>;
    /// Who answers for the agent.
    fn owner(&self, agent: &AgentId) -> Option<Owner>;
    /// Makes sure that what is on record about this entity is known.
    fn refresh(&self, about: Entity) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Everything that is wrong with the approvals of an intent that is to be executed; nothing if they hold.
pub(crate) fn flaws(intent: &Intent, approvers: &impl Approvers) -> Vec<Detail> {
    let Some(decision) = &intent.decision else {
        return vec![flaw("/decision", "there is no decision")];
    };
    let mut flaws = Vec::new();
    if approval_digest(intent, &decision.requirement, decision.activation) != decision.approval_digest {
        flaws.push(flaw("/decision/approval_digest", "is not the digest of this intent"));
    }
    let mut owners = BTreeSet::new();
    for (place, grant) in intent.grants.iter().enumerate() {
        match what_is_wrong(intent, decision, grant, approvers) {
            None => drop(owners.insert(&grant.owner)),
            Some(message) => flaws.push(flaw(&format!("/grants/{place}"), message)),
        }
    }
    let wanted = decision.requirement.approvals as usize;
    if owners.len() < wanted {
        let message = format!("{} principals approved, {wanted} have to", owners.len());
        flaws.push(flaw("/grants", &message));
    }
    flaws
}

/// The same, once everything that it rests on has been refreshed: what a view does not know yet is no flaw, and
/// a flaw is the end of an intent.
///
/// # Errors
/// Something cannot be refreshed now: then nothing is decided.
pub(crate) async fn confirmed_flaws(
    intent: &Intent,
    approvers: &(impl Approvers + Sync),
) -> Result<Vec<Detail>, Fault> {
    let found = flaws(intent, approvers);
    if found.is_empty() {
        return Ok(found);
    }
    let about = |name, id| Entity { mission: Mission::kluster(), name, id };
    for grant in &intent.grants {
        approvers.refresh(about(EntityName::Key, EntityId::from(&grant.key))).await?;
        approvers.refresh(about(EntityName::Agent, EntityId::from(&grant.approver))).await?;
    }
    Ok(flaws(intent, approvers))
}

fn what_is_wrong(
    intent: &Intent,
    decision: &Decision,
    grant: &Grant,
    approvers: &impl Approvers,
) -> Option<&'static str> {
    let text = approval_text(&grant.approver, &intent.id, &decision.approval_digest);
    let is_signed = decode_base64url(&grant.signature)
        .is_some_and(|signature| verify_text(&grant.key, &text, &signature).is_ok());
    if !is_signed {
        return Some("the signature does not match what was approved");
    }
    if approvers.holder(&grant.key).as_ref() != Some(&grant.approver) {
        return Some("the key was never the approver's");
    }
    if approvers.owner(&grant.approver).as_ref() != Some(&grant.owner) {
        return Some("somebody else answers for the approver");
    }
    if grant.role != decision.requirement.role {
        return Some("was not given in the role that has to approve");
    }
    (grant.owner == intent.owner).then_some("is by the principal who answers for the proposer")
}

fn flaw(at: &str, message: &str) -> Detail {
    Detail { at: at.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use selvedge_contracts::{
        id::AgentName,
        payload::intent::{IntentState, Requirement},
        role::Role,
    };
    use selvedge_kit::signature::{Signer, encode_base64url};

    use super::*;
    use crate::fixture;

    #[derive(Default)]
    struct Known {
        keys: BTreeMap<PublicKey, AgentId>,
        owners: BTreeMap<AgentId, Owner>,
    }

    impl Approvers for Known {
        fn holder(&self, key: &PublicKey) -> Option<AgentId> {
            self.keys.get(key).cloned()
        }
        fn owner(&self, agent: &AgentId) -> Option<Owner> {
            self.owners.get(agent).cloned()
        }
        async fn refresh(&self, _: Entity) -> Result<(), Fault> {
            Ok(())
        }
    }

    struct Approver {
        id: AgentId,
        owner: Owner,
        key: PublicKey,
        signer: Signer,
    }

    impl Known {
        fn approver(&mut self, name: &str, owner: &str) -> Approver {
            let pair = nkeys::KeyPair::new_user();
            let key = PublicKey::new(&pair.public_key()).unwrap();
            let id = AgentId::derive(&AgentName::new(name).unwrap(), &key, 0);
            let owner = Owner::new(owner).unwrap();
            self.keys.insert(key.clone(), id.clone());
            self.owners.insert(id.clone(), owner.clone());
            Approver { id, owner, key, signer: Signer::new(pair, String::new(), None) }
        }
    }

    fn approve(intent: &mut Intent, by: &Approver) {
        let digest = &intent.decision.as_ref().unwrap().approval_digest;
        let text = approval_text(&by.id, &intent.id, digest);
        let signature = encode_base64url(&by.signer.sign_text(&text).unwrap());
        intent.grants.push(Grant {
            approver: by.id.clone(),
            owner: by.owner.clone(),
            role: Role::Approver,
            key: by.key.clone(),
            signature,
            at_ms: 30,
        });
    }

    fn needing(approvals: u32) -> Intent {
        let mut intent = fixture::intent(IntentState::Approved);
        let requirement = Requirement { approvals, role: Role::Approver, expires_after_ms: None };
        let digest = approval_digest(&intent, &requirement, 0);
        let decision = intent.decision.as_mut().unwrap();
        (decision.requirement, decision.approval_digest) = (requirement, digest);
        intent
    }

    fn messages(intent: &Intent, known: &Known) -> Vec<String> {
        flaws(intent, known).into_iter().map(|flaw| format!("{}: {}", flaw.at, flaw.message)).collect()
    }

    #[test]
    fn what_was_signed_by_enough_principals_holds() {
        let mut known = Known::default();
        let (bea, cid) = (known.approver("bea", "person:bea"), known.approver("cid", "person:cid"));
        let mut intent = needing(2);
        approve(&mut intent, &bea);
        assert_eq!(messages(&intent, &known), ["/grants: 1 principals approved, 2 have to"]);
        approve(&mut intent, &bea);
        assert_eq!(messages(&intent, &known), ["/grants: 1 principals approved, 2 have to"], "not twice");
        approve(&mut intent, &cid);
        assert_eq!(messages(&intent, &known), [""; 0]);
        assert_eq!(messages(&needing(0), &known), [""; 0], "none is needed");
    }

    #[test]
    fn an_approval_is_of_exactly_what_was_signed() {
        let mut known = Known::default();
        let bea = known.approver("bea", "person:bea");
        let mut intent = needing(1);
        approve(&mut intent, &bea);
        let other = Intent { effect: fixture::memory("k", Some(2)), ..intent.clone() };
        assert_eq!(messages(&other, &known), ["/decision/approval_digest: is not the digest of this intent"]);
        let mut bent = other.clone();
        let requirement = bent.decision.as_ref().unwrap().requirement.clone();
        bent.decision.as_mut().unwrap().approval_digest = approval_digest(&other, &requirement, 0);
        let found = messages(&bent, &known);
        assert_eq!(found.first().unwrap(), "/grants/0: the signature does not match what was approved");
    }

    /// Knows what it is told only once it is asked to look.
    #[derive(Default)]
    struct Behind {
        known: Mutex<Known>,
        ahead: Mutex<Known>,
        is_dead: bool,
    }

    impl Approvers for Behind {
        fn holder(&self, key: &PublicKey) -> Option<AgentId> {
            self.known.lock().unwrap().holder(key)
        }
        fn owner(&self, agent: &AgentId) -> Option<Owner> {
            self.known.lock().unwrap().owner(agent)
        }
        async fn refresh(&self, about: Entity) -> Result<(), Fault> {
            let (mut known, mut ahead) = (self.known.lock().unwrap(), self.ahead.lock().unwrap());
            match about.name {
                _ if self.is_dead => return Err(Fault::unavailable("nobody there")),
                EntityName::Key => known.keys.append(&mut ahead.keys),
                _ => known.owners.append(&mut ahead.owners),
            }
            Ok(())
        }
    }

    #[test]
    fn what_a_view_does_not_know_yet_is_no_flaw() {
        use futures::FutureExt as _;
        let behind = Behind::default();
        let bea = behind.ahead.lock().unwrap().approver("bea", "person:bea");
        let mut intent = needing(1);
        approve(&mut intent, &bea);
        assert_eq!(flaws(&intent, &behind).len(), 2, "neither her key nor her owner is known");
        let confirmed = |intent: &Intent, by: &Behind| confirmed_flaws(intent, by).now_or_never().unwrap();
        assert_eq!(confirmed(&intent, &behind), Ok(Vec::new()));
        let mut forged = intent.clone();
        forged.grants.clear();
        assert_eq!(confirmed(&forged, &behind).unwrap().len(), 1, "a flaw that stays is one");
        let dead = Behind { is_dead: true, ..Behind::default() };
        assert!(confirmed(&intent, &dead).is_err(), "nothing is decided");
    }

    #[test]
    fn a_key_or_an_owner_that_is_not_the_approvers_counts_nothing() {
        let mut known = Known::default();
        let (bea, cid) = (known.approver("bea", "person:bea"), known.approver("cid", "person:cid"));
        let with = |by: &Approver, change: &dyn Fn(&mut Grant)| {
            let mut intent = needing(1);
            approve(&mut intent, by);
            intent.grants.iter_mut().for_each(change);
            intent
        };
        let foreign = Approver { id: bea.id.clone(), signer: cid.signer, ..cid };
        let first = |intent: &Intent| messages(intent, &known).remove(0);
        assert_eq!(first(&with(&foreign, &|_| {})), "/grants/0: the key was never the approver's");
        let lent = with(&bea, &|grant| grant.owner = Owner::new("person:eve").unwrap());
        assert_eq!(first(&lent), "/grants/0: somebody else answers for the approver");
        let minor = with(&bea, &|grant| grant.role = Role::Worker);
        assert_eq!(first(&minor), "/grants/0: was not given in the role that has to approve");
        let own = Intent { owner: bea.owner.clone(), ..needing(1) };
        let mut own = Intent { decision: own.decision.clone(), ..own };
        approve(&mut own, &bea);
        let found = messages(&own, &known);
        assert!(
            found.contains(&"/grants/0: is by the principal who answers for the proposer".to_owned()),
            "{found:?}"
        );
    }
}
