//! Asking the service `overlap` before something is created: what looks like it is told to whoever wants it, and
//! nothing is created before they have said what is to become of it.

use selvedge_contracts::{
    call,
    fault::{Code, Detail, Fault},
    id::{CreationId, KindName},
    payload::overlap::{Candidate, Clearance, OnBehalf, Part, PartReply, Propose, ProposeReply, Verdict},
};
use serde::Deserialize;

use crate::{
    client::{Client, Options},
    clock::Deadline,
    service::Call,
};

/// Whether a service asks before it creates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asking {
    /// Nothing is created that was not cleared; where `overlap` does not answer, nothing is created.
    Required,
    /// Nobody is asked.
    Off,
}

/// What is to be created; only as much of its texts counts as `overlap` looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What the thing is called among those of its kind, in its mission.
    pub id: String,
    /// In a line.
    pub title: String,
    /// The rest.
    pub description: String,
    /// Paths that it is about.
    pub paths: Vec<String>,
    /// Names of artifacts that it makes or changes.
    pub artifacts: Vec<String>,
    /// Parts of it that are looked at by themselves: of a plan, its tasks.
    pub parts: Vec<Part>,
}

/// Place in a fault's details of the creation that is asked about.
const AT_CREATION: &str = "/overlap/creation";
/// Place of a creation that was decided against.
const AT_DISCARDED: &str = "/overlap/discarded";
/// Place of each candidate.
const AT_CANDIDATE: &str = "/overlap/candidates";
/// Place of each part that is asked about, or over: its name and its creation follow.
const AT_PART: &str = "/overlap/parts/";

/// Asks as a service, for the caller of `call`; answers with what the thing's own fact carries. Whoever asks
/// twice for the same thing is answered as it stands.
///
/// # Errors
/// Conflict if something looks like it and nobody has decided, if it was merged or discarded, or somebody else is
/// about to create it: with the creation and the candidates in its details. `unavailable` where `overlap` does
/// not answer in time: nothing was created.
pub async fn clear(client: &Client, call: &Call, what: KindName, wanted: Wanted) -> Result<Clearance, Fault> {
    let session = call.session()?;
    let on_behalf = OnBehalf {
        agent: call.agent_id()?,
        role: call.role(),
        owner: session.owner.clone(),
        session: call.subject.scope.id.clone(),
        task: session.task.clone(),
        request: session.request.clone(),
    };
    let request = propose(what, wanted, on_behalf);
    let client = client.clone().in_mission(call.mission().clone());
    let options = Options { timeout_ms: Some(share_ms(call.deadline())), ..Options::default() };
    let answered = client.call_with::<call::OverlapPropose>(&request, &options).await;
    let reply = answered.map_err(unanswered)?.reply;
    match refusal(&request.what, &reply) {
        Some(fault) => Err(fault),
        None => reply.clearance().ok_or_else(|| Fault::internal("overlap cleared nothing")),
    }
}

/// What is left for it, so that there is time to create the thing too.
fn share_ms(deadline: Deadline) -> u64 {
    u64::try_from(deadline.remaining().as_millis() / 2).unwrap_or(u64::MAX)
}

/// The creation that a refusal says is to be decided about.
pub fn asked_about(fault: &Fault) -> Option<CreationId> {
    let detail = fault.details.iter().find(|detail| detail.at == AT_CREATION)?;
    CreationId::new(&detail.message).ok()
}

/// Whether the whole that a refusal is about looks like something itself, and not only parts of it.
pub fn is_asked_about_itself(fault: &Fault) -> bool {
    fault.details.iter().any(|detail| detail.at.starts_with(AT_CANDIDATE))
}

/// The parts that a refusal says are to be decided about, each with its name. Whoever decides about the whole decides
/// about all of them.
pub fn parts_asked_about(fault: &Fault) -> Vec<(String, CreationId)> {
    let part = |detail: &Detail| {
        let name = detail.at.strip_prefix(AT_PART)?.strip_suffix("/creation")?;
        Some((name.to_owned(), CreationId::new(&detail.message).ok()?))
    };
    fault.details.iter().filter_map(part).collect()
}

/// The creation that a refusal says was decided against: to proceed with it takes that back.
pub fn decided_against(fault: &Fault) -> Option<CreationId> {
    let detail = fault.details.iter().find(|detail| detail.at == AT_DISCARDED)?;
    CreationId::new(&detail.message).ok()
}

fn propose(what: KindName, wanted: Wanted, on_behalf: OnBehalf) -> Propose {
    use selvedge_contracts::payload::overlap::{
        KEPT_DESCRIPTION_BYTES, KEPT_NAME_BYTES, KEPT_NAMES, KEPT_TITLE_BYTES,
    };
    let names = |names: Vec<String>| {
        let named = names.into_iter().filter(|name| !name.is_empty()).take(KEPT_NAMES);
        named.map(|name| cut(&name, KEPT_NAME_BYTES).to_owned()).collect()
    };
    Propose {
        what,
        id: wanted.id,
        title: cut(&wanted.title, KEPT_TITLE_BYTES.min(500)).to_owned(),
        description: cut(&wanted.description, KEPT_DESCRIPTION_BYTES).to_owned(),
        paths: names(wanted.paths),
        artifacts: names(wanted.artifacts),
        parts: wanted.parts,
        on_behalf: Some(on_behalf),
    }
}

fn cut(text: &str, most_bytes: usize) -> &str {
    let end = (0..=most_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn unanswered(fault: Fault) -> Fault {
    if !fault.is_retryable() {
        return fault;
    }
    let message = format!(
        "nothing was created: what looks like it cannot be looked up now: {}; ask again once the service overlap \
         answers, an operator sees by `selvedge status` whether it runs",
        fault.message
    );
    Fault { code: Code::Unavailable, message, ..fault }
}

/// Why the thing may not be created, if it may not.
fn refusal(what: &KindName, reply: &ProposeReply) -> Option<Fault> {
    let asked = || reply.parts.iter().filter(|part| part.verdict == Verdict::Asked);
    let is_of_parts = reply.verdict == Verdict::Clear && asked().next().is_some();
    let best = reply.checked.candidates.first();
    let best = if is_of_parts { asked().find_map(|part| part.candidates.first()) } else { best };
    let like = best.map_or_else(String::new, |best| format!(" ({})", in_words(best)));
    let message = match &reply.verdict {
        Verdict::Clear if is_of_parts => format!(
            "{} of the tasks of this {what} look like something that is there{like}: say by overlap.decide whether to proceed, to merge or to discard each, or to proceed with the {what} as a whole, then ask again",
            asked().count()
        ),
        Verdict::Clear if reply.parts.iter().any(|part| part.verdict != Verdict::Clear) => {
            return Some(Fault::unavailable(
                "nothing was created: what came before its tasks is still being looked at; ask again",
            ));
        }
        Verdict::Clear => return None,
        Verdict::Pending => {
            return Some(Fault::unavailable(
                "nothing was created: what came before it is still being looked at; ask again",
            ));
        }
        Verdict::Asked => format!(
            "this {what} looks like something that is there{like}: say by overlap.decide whether to proceed, to merge or to discard it, then ask again"
        ),
        Verdict::Taken => {
            format!("another agent is about to create this {what}{like}: agree with them, or ask again later")
        }
        Verdict::Merged { into, root } if into == root => {
            format!("this {what} was merged into {into}: work on that")
        }
        Verdict::Merged { into, root } => {
            format!("this {what} was merged into {into}, which is part of {root} by now: work on that")
        }
        Verdict::Discarded { reason } => {
            let reason = reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
            format!("this {what} was decided against{reason}; to proceed by overlap.decide takes that back")
        }
    };
    let mut details = Vec::new();
    let mut add = |at: &str, message: String| details.push(Detail { at: at.to_owned(), message });
    if reply.verdict == Verdict::Asked || is_of_parts {
        add(AT_CREATION, reply.creation.to_string());
    }
    if let Verdict::Discarded { .. } = &reply.verdict {
        add(AT_DISCARDED, reply.creation.to_string());
    }
    if let Verdict::Merged { root, .. } = &reply.verdict {
        add("/overlap/merged_into", root.to_string());
    }
    let candidates = if is_of_parts { &[][..] } else { &reply.checked.candidates };
    for (index, candidate) in candidates.iter().enumerate() {
        add(&format!("{AT_CANDIDATE}/{index}"), in_words(candidate));
    }
    reply.parts.iter().for_each(|part| tell(part, &reply.creation, &mut add));
    Some(Fault { code: Code::Conflict, message, details })
}

/// What is to be said of a part: what it looks like where it is asked about, and what became of it where it is over.
fn tell(part: &PartReply, whole: &CreationId, add: &mut impl FnMut(&str, String)) {
    let PartReply { name, creation, verdict, candidates } = part;
    let at = format!("{AT_PART}{name}");
    match verdict {
        Verdict::Asked => {
            add(&format!("{at}/creation"), creation.to_string());
            for (index, candidate) in candidates.iter().enumerate() {
                let is_twin = candidate.part_of.as_ref() == Some(whole);
                let within = if is_twin { "in this very plan: " } else { "" };
                add(&format!("{at}/candidates/{index}"), format!("{within}{}", in_words(candidate)));
            }
        }
        Verdict::Merged { root, .. } => add(&format!("{at}/merged_into"), root.to_string()),
        Verdict::Discarded { reason } => {
            let reason = reason.as_deref().unwrap_or("it was decided against");
            add(&format!("{at}/discarded"), reason.to_owned());
        }
        Verdict::Clear | Verdict::Pending | Verdict::Taken => {}
    }
}

fn in_words(candidate: &Candidate) -> String {
    let Candidate { creation, what, id, title, state, proposer, score, level, .. } = candidate;
    let level = level.map_or("alike", selvedge_contracts::payload::overlap::Level::name);
    format!("{level} {score}: {what} {id:?} {title:?}, {state}, of {proposer}: {creation}")
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::{AgentId, Caller, Digest, Mission, Owner, ScopeId},
        payload::overlap::{Basis, Checked, CreationState, Level},
        role::Role,
    };

    use super::*;

    fn creation(number: u128) -> CreationId {
        CreationId::from_number(number)
    }

    fn reply(verdict: Verdict) -> ProposeReply {
        let digest = Digest::new(&"0".repeat(64)).unwrap();
        let candidate = Candidate {
            creation: creation(2),
            mission: Mission::new("demo").unwrap(),
            what: KindName::task(),
            id: "t1".into(),
            part_of: None,
            title: "Fix the login".into(),
            state: CreationState::Existing,
            proposer: Caller::new("bob-1a2b3c4d").unwrap(),
            owner: None,
            place: 4,
            score: 910,
            level: Some(Level::Strong),
            second: None,
            reasons: Vec::new(),
        };
        let basis = Basis { up_to_sequence: 7, index_hash: digest.clone(), model_hash: digest };
        let checked = Checked {
            basis,
            weak_meaning: false,
            candidates: vec![candidate],
            elsewhere: Vec::new(),
            second: None,
        };
        ProposeReply { creation: creation(1), verdict, place: 8, checked, parts: Vec::new(), revision: 9 }
    }

    fn refused(verdict: Verdict) -> Fault {
        refusal(&KindName::intent(), &reply(verdict)).unwrap()
    }

    #[test]
    fn whoever_is_asked_is_told_about_what_and_what_it_looks_like() {
        let asked = refused(Verdict::Asked);
        assert_eq!((asked.code, asked_about(&asked)), (Code::Conflict, Some(creation(1))));
        assert!(asked.message.contains("overlap.decide") && !asked.is_retryable());
        let candidate = &asked.details[1];
        assert_eq!(candidate.at, "/overlap/candidates/0");
        for part in ["strong 910", "task \"t1\" \"Fix the login\"", "bob-1a2b3c4d", creation(2).as_str()] {
            assert!(candidate.message.contains(part), "{part}: {candidate:?}");
        }
        assert_eq!(refusal(&KindName::intent(), &reply(Verdict::Clear)), None);
    }

    #[test]
    fn what_is_over_is_refused_for_good_and_what_is_pending_may_be_asked_again() {
        let merged = refused(Verdict::Merged { into: creation(2), root: creation(3) });
        assert!(merged.message.contains(creation(3).as_str()), "{merged}");
        let discarded = refused(Verdict::Discarded { reason: Some("not now".into()) });
        assert!(discarded.message.contains("not now"), "{discarded}");
        for over in [merged, discarded, refused(Verdict::Taken)] {
            assert_eq!((over.code, asked_about(&over)), (Code::Conflict, None));
        }
        assert!(refused(Verdict::Pending).is_retryable());
    }

    #[test]
    fn of_parts_is_told_which_are_asked_about_and_whoever_decides_of_the_whole_decides_of_them() {
        let part = |name: &str, number, verdict| PartReply {
            name: name.to_owned(),
            creation: creation(number),
            verdict,
            candidates: reply(Verdict::Clear).checked.candidates,
        };
        let twin = |mut part: PartReply| {
            part.candidates[0].part_of = Some(creation(1));
            part
        };
        let parts = vec![
            part("form", 11, Verdict::Asked),
            part("docs", 12, Verdict::Clear),
            twin(part("again", 13, Verdict::Asked)),
        ];
        let asked = refusal(&KindName::plan(), &ProposeReply { parts, ..reply(Verdict::Clear) }).unwrap();
        assert_eq!((asked.code, asked_about(&asked)), (Code::Conflict, Some(creation(1))));
        let expected = [("form".to_owned(), creation(11)), ("again".to_owned(), creation(13))];
        assert_eq!((parts_asked_about(&asked), is_asked_about_itself(&asked)), (expected.into(), false));
        assert!(is_asked_about_itself(&refused(Verdict::Asked)));
        let told = |at: &str| asked.details.iter().find(|detail| detail.at == at).unwrap().message.clone();
        assert!(told("/overlap/parts/form/candidates/0").starts_with("strong 910"), "{asked:?}");
        assert!(
            told("/overlap/parts/again/candidates/0").starts_with("in this very plan: strong"),
            "{asked:?}"
        );
        let late = ProposeReply { parts: vec![part("form", 11, Verdict::Pending)], ..reply(Verdict::Clear) };
        assert!(refusal(&KindName::plan(), &late).unwrap().is_retryable());
        let merged = Verdict::Merged { into: creation(2), root: creation(3) };
        let over = ProposeReply {
            parts: vec![part("form", 11, merged)],
            ..reply(Verdict::Discarded { reason: Some("leave it out".to_owned()) })
        };
        let over = refusal(&KindName::plan(), &over).unwrap();
        assert!(over.details.iter().any(|detail| detail.at == "/overlap/parts/form/merged_into"), "{over:?}");
        assert_eq!(asked_about(&over), None);
    }

    #[test]
    fn texts_are_cut_where_nobody_looks_any_more() {
        let wanted = Wanted {
            id: "x".into(),
            title: "ä".repeat(400),
            description: "d".repeat(5_000),
            paths: vec!["p".repeat(2_000); 50],
            artifacts: vec![String::new()],
            parts: Vec::new(),
        };
        let behalf = OnBehalf {
            agent: AgentId::new("ada-1a2b3c4d").unwrap(),
            role: Role::Worker,
            owner: Owner::new("person:ada").unwrap(),
            session: ScopeId::new("session_1").unwrap(),
            task: None,
            request: None,
        };
        let request = propose(KindName::intent(), wanted, behalf);
        assert_eq!((request.title.chars().count(), request.description.len()), (250, 2_048));
        assert_eq!((request.paths.len(), request.paths[0].len(), request.artifacts.len()), (32, 256, 0));
    }
}
