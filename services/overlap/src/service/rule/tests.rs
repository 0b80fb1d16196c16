use selvedge_contracts::{
    fault::Code,
    id::{KindName, Mission, ScopeId},
    payload::overlap::{Candidate, Propose, Proposer},
};

use super::*;
use crate::service::content;

fn proposer(agent: &str) -> Proposer {
    Proposer {
        agent: Caller::new(agent).unwrap(),
        role: Role::Worker,
        owner: Owner::new("person:olga").unwrap(),
        session: ScopeId::new("s1").unwrap(),
        task: None,
        request: None,
    }
}

fn wanted(what: &str, agent: &str, title: &str) -> Creation {
    let request = Propose {
        what: KindName::new(what).unwrap(),
        id: "t1".to_owned(),
        title: title.to_owned(),
        description: String::new(),
        paths: Vec::new(),
        artifacts: Vec::new(),
        parts: Vec::new(),
        on_behalf: None,
    };
    content::wanted(&Mission::new("demo").unwrap(), &request, proposer(agent), 1_000, 500).unwrap()
}

fn at(creation: &Creation, revision: u64) -> Standing<'_> {
    Standing { creation, revision, known: None, is_edit: false }
}

fn after(verdict: Verdict<Creation>) -> Creation {
    match verdict {
        Verdict::Changed(change) => change.state,
        Verdict::Same => panic!("nothing to record"),
    }
}

fn basis() -> Basis {
    let hash = (&blake3::hash(b"")).into();
    Basis { up_to_sequence: 7, index_hash: hash, model_hash: (&blake3::hash(b"m")).into() }
}

fn found() -> Checked {
    Checked {
        basis: basis(),
        weak_meaning: false,
        candidates: Vec::<Candidate>::new(),
        elsewhere: Vec::new(),
        second: None,
    }
}

fn decision(answer: Answer) -> Wanted {
    let root = match &answer {
        Answer::Merge(into) => Some(into.clone()),
        _ => None,
    };
    Wanted { answer, reason: None, root, basis: basis(), now_ms: 1_100, ttl_ms: 500 }
}

fn by(agent: &Caller) -> Decider<'_> {
    Decider { caller: agent, owner: None, role: Role::Worker }
}

#[test]
fn a_rule_accepts_its_own_result() {
    let wanted = wanted("task", "ada-00000001", "Add a cache");
    let proposed = after(propose(None, &wanted));
    assert_eq!(propose(Some(at(&proposed, 5)), &wanted), Verdict::Same);
    let asked = after(checked(at(&proposed, 5), 5, &found(), Asks::Yes));
    assert_eq!((asked.state, asked.place), (CreationState::Asked, 5));
    assert_eq!(checked(at(&asked, 6), 5, &found(), Asks::Yes), Verdict::Same);
    let ada = wanted.proposer.agent.clone();
    let proceed = decision(Answer::Proceed);
    let cleared = after(decide(Some(at(&asked, 6)), by(&ada), &proceed).unwrap());
    assert_eq!(cleared.state, CreationState::Cleared);
    assert_eq!(decide(Some(at(&cleared, 7)), by(&ada), &proceed), Ok(Verdict::Same));
    assert_eq!(propose(Some(at(&cleared, 7)), &wanted), Verdict::Same);
    let expired = after(expire(at(&cleared, 7), 1_500));
    assert_eq!(expire(at(&expired, 8), 1_500), Verdict::Same);
    assert_eq!(after(propose(Some(at(&expired, 8)), &wanted)), wanted, "proposed anew");
}

#[test]
fn an_edit_gets_a_new_place_and_forgets_what_was_decided() {
    let wanted_first = wanted("task", "ada-00000001", "Add a cache");
    let proposed = after(propose(None, &wanted_first));
    let cleared = after(checked(at(&proposed, 5), 5, &found(), Asks::No));
    let other_text = wanted("task", "ada-00000001", "Remove the cache");
    let edited = after(propose(Some(at(&cleared, 6)), &other_text));
    assert_eq!((edited.place, edited.state), (0, CreationState::Pending));
    assert_eq!((edited.checked.as_ref(), edited.decision.as_ref()), (None, None));
    assert_eq!(checked(at(&edited, 7), 5, &found(), Asks::Yes), Verdict::Same, "of the former place");
}

#[test]
fn another_agent_cannot_take_what_one_is_about_to_create() {
    let own = after(propose(None, &wanted("task", "ada-00000001", "Add a cache")));
    for title in ["Add a cache", "Something else"] {
        let other = wanted("task", "bob-00000002", title);
        assert_eq!(propose(Some(at(&own, 5)), &other), Verdict::Same);
        assert!(is_taken(at(&own, 5), &other));
    }
    let there = Standing { known: Some(CreationState::Existing), ..at(&own, 5) };
    assert!(!is_taken(there, &wanted("task", "bob-00000002", "x")), "the owner of the thing decides");
    for what in ["intent", "plan", "artifact"] {
        let made = after(propose(None, &wanted(what, "ada-00000001", "Add a cache")));
        assert!(!is_taken(at(&made, 5), &wanted(what, "bob-00000002", "Add it")), "it names its content");
    }
    let note = Creation { state: CreationState::Existing, ..wanted("note", "ada-00000001", "Add a cache") };
    assert!(is_taken(at(&note, 5), &wanted("note", "bob-00000002", "x")), "nobody else decides");
    assert!(!is_taken(at(&note, 5), &note));
    let expired = after(expire(at(&own, 5), 9_999));
    let taken_up = after(propose(Some(at(&expired, 6)), &wanted("task", "bob-00000002", "Add a cache")));
    assert_eq!(taken_up.proposer.agent.as_str(), "bob-00000002");
}

#[test]
fn only_who_answers_for_it_decides() {
    let asked = Creation { state: CreationState::Asked, ..wanted("task", "ada-00000001", "x") };
    let (bob, olga, paul) = (
        Caller::new("bob-00000002").unwrap(),
        Owner::new("person:olga").unwrap(),
        Owner::new("person:paul").unwrap(),
    );
    let answer = decision(Answer::Discard);
    let ask =
        |owner, role| decide(Some(at(&asked, 5)), Decider { caller: &bob, owner, role }, &answer).map(after);
    assert_eq!(ask(None, Role::Worker).unwrap_err().code, Code::Denied);
    assert_eq!(ask(Some(&paul), Role::Worker).unwrap_err().code, Code::Denied);
    assert_eq!(ask(Some(&olga), Role::Worker).unwrap().state, CreationState::Discarded);
    for role in [Role::Planner, Role::Arbitrator, Role::Operator] {
        assert_eq!(ask(Some(&paul), role).unwrap().state, CreationState::Discarded);
    }
    let nothing = decide(None, by(&bob), &answer);
    assert_eq!(nothing.unwrap_err().code, Code::NotFound);
}

#[test]
fn what_was_decided_stands() {
    let asked = Creation { state: CreationState::Asked, ..wanted("task", "ada-00000001", "x") };
    let ada = asked.proposer.agent.clone();
    let into = CreationId::from_number(7);
    let merged =
        after(decide(Some(at(&asked, 5)), by(&ada), &decision(Answer::Merge(into.clone()))).unwrap());
    assert_eq!(merged.state, CreationState::Merged);
    let again = decide(Some(at(&merged, 6)), by(&ada), &decision(Answer::Merge(into.clone())));
    assert_eq!(again, Ok(Verdict::Same));
    for other in [Answer::Proceed, Answer::Discard, Answer::Merge(CreationId::from_number(8))] {
        let fault = decide(Some(at(&merged, 6)), by(&ada), &decision(other)).unwrap_err();
        assert_eq!(fault.code, Code::Conflict);
        assert!(fault.message.contains(into.as_str()), "{fault}");
    }
    let opened = after(reopen(at(&merged, 6), &into, CreationState::Discarded, 2_000, 500));
    assert_eq!((opened.state, opened.place, opened.expires_at_ms), (CreationState::Pending, 0, 2_500));
    assert_eq!(reopen(at(&opened, 7), &into, CreationState::Discarded, 2_000, 500), Verdict::Same);
    let other = CreationId::from_number(8);
    assert_eq!(reopen(at(&merged, 6), &other, CreationState::Discarded, 2_000, 500), Verdict::Same);
}

#[test]
fn what_is_there_neither_expires_nor_is_decided_about() {
    let cleared = Creation { state: CreationState::Cleared, ..wanted("task", "ada-00000001", "x") };
    let there = Standing { known: Some(CreationState::Existing), ..at(&cleared, 5) };
    assert_eq!(expire(there, 9_999), Verdict::Same);
    let ada = cleared.proposer.agent.clone();
    let fault = decide(Some(there), by(&ada), &decision(Answer::Discard)).unwrap_err();
    assert_eq!(fault.code, Code::Conflict);
    let own = Creation { state: CreationState::Existing, ..wanted("note", "ada-00000001", "x") };
    let ended = after(decide(Some(at(&own, 5)), by(&ada), &decision(Answer::Discard)).unwrap());
    assert_eq!(ended.state, CreationState::Discarded, "nobody else ends a thing of a kind of their own");
}

#[test]
fn who_was_asked_about_a_name_does_not_keep_it_from_others() {
    let bobs = Creation { state: CreationState::Asked, ..wanted("artifact", "bob-00000002", "glacier map") };
    let adas = wanted("artifact", "ada-00000001", "glacier map");
    assert!(!is_taken(at(&bobs, 5), &adas));
    let taken_over = after(propose(Some(at(&bobs, 5)), &adas));
    assert_eq!(
        (taken_over.proposer.agent.as_str(), taken_over.state),
        ("ada-00000001", CreationState::Pending)
    );
    let cleared = Creation { state: CreationState::Cleared, ..bobs.clone() };
    assert_eq!(propose(Some(at(&cleared, 6)), &adas), Verdict::Same, "both may make a version of it");
    let task = Creation { state: CreationState::Asked, ..wanted("task", "bob-00000002", "x") };
    assert_eq!(propose(Some(at(&task, 5)), &wanted("task", "ada-00000001", "x")), Verdict::Same);
}

#[test]
fn a_discarded_creation_comes_back_by_a_decision_alone() {
    let asked = Creation { state: CreationState::Asked, ..wanted("task", "ada-00000001", "x") };
    let ada = asked.proposer.agent.clone();
    let gone = after(decide(Some(at(&asked, 5)), by(&ada), &decision(Answer::Discard)).unwrap());
    assert_eq!(propose(Some(at(&gone, 6)), &wanted("task", "ada-00000001", "x")), Verdict::Same);
    let merge = decide(Some(at(&gone, 6)), by(&ada), &decision(Answer::Merge(CreationId::from_number(7))));
    assert_eq!(merge.unwrap_err().code, Code::Conflict);
    let bob = Caller::new("bob-00000002").unwrap();
    let planner = Decider { caller: &bob, owner: None, role: Role::Planner };
    let refusal = decide(Some(at(&gone, 6)), planner, &decision(Answer::Proceed)).unwrap_err();
    assert_eq!(refusal.code, Code::Conflict, "who decided takes it back, and nobody else");
    let later = Wanted { now_ms: 9_000, ..decision(Answer::Proceed) };
    let back = after(decide(Some(at(&gone, 6)), by(&ada), &later).unwrap());
    assert_eq!((back.state, back.expires_at_ms), (CreationState::Cleared, 9_500), "it has its time anew");
}

#[test]
fn an_edit_of_what_is_there_is_decided_about_and_expires_as_any_other() {
    let edit = Creation { state: CreationState::Pending, ..wanted("note", "ada-00000001", "x") };
    let there = Standing { known: Some(CreationState::Existing), is_edit: true, ..at(&edit, 7) };
    assert_eq!((there.state(), there.stands()), (CreationState::Existing, CreationState::Pending));
    let ada = edit.proposer.agent.clone();
    let went_on = after(decide(Some(there), by(&ada), &decision(Answer::Proceed)).unwrap());
    assert_eq!(went_on.state, CreationState::Existing);
    let expired = after(expire(there, 9_999));
    let over = Standing { creation: &expired, ..there };
    assert_eq!((over.stands(), expire(over, 9_999)), (CreationState::Existing, Verdict::Same));
    let again = after(propose(Some(over), &wanted("note", "ada-00000001", "x")));
    assert_eq!((again.state, again.place), (CreationState::Pending, 0), "it may be made again");
}

#[test]
fn what_was_opened_again_waits_for_an_answer_also_where_nothing_is_like_it() {
    let note = Creation { reopened: true, ..wanted("note", "ada-00000001", "x") };
    assert_eq!(after(checked(at(&note, 5), 5, &found(), Asks::No)).state, CreationState::Asked);
    let task = Creation { reopened: true, ..wanted("task", "ada-00000001", "x") };
    assert_eq!(after(checked(at(&task, 5), 5, &found(), Asks::No)).state, CreationState::Cleared);
}
