//! Taking back what a run left: also if it was interrupted, failed, or ran out of time.

use selvedge_contracts::{
    call::{self, CallType},
    fault::{Code, Fault},
    payload::{intent::IntentState, plan::PlanState},
};
use selvedge_kit::clock::Deadline;
use serde_json::{Value, json};

use crate::arena::{Arena, ask};

/// Longest time for all of it, in milliseconds.
const CLEANUP_MS: u64 = 60_000;
/// Things of one page.
const PAGE: u32 = 1_000;
/// Why, as the facts say.
const REASON: &str = "selvedge eval is over";

/// What became of what the run made.
#[derive(Debug, Default)]
pub(crate) struct Cleaned {
    /// What was taken back, in words.
    pub(crate) taken_back: Vec<String>,
    /// What was not, and why.
    pub(crate) left: Vec<String>,
}

impl Cleaned {
    fn tell(&mut self, what: &str, done: usize, failed: Vec<Fault>) {
        if done > 0 {
            self.taken_back.push(format!("{done} {what}"));
        }
        if let Some(first) = failed.first() {
            self.left.push(format!("{} {what}: {first}", failed.len()));
        }
    }
}

/// Ends the sessions and retires the agents; cancels plans and intents; takes back leases that are left.
pub(crate) async fn clean(arena: &Arena) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let deadline = Deadline::in_ms(CLEANUP_MS);
    let all = async {
        // First: what a trial that was given up still has under way must not come after.
        agents(arena, &mut cleaned).await;
        plans(arena, &mut cleaned).await;
        intents(arena, &mut cleaned).await;
        leases(arena, &mut cleaned).await;
    };
    if tokio::time::timeout(deadline.remaining(), all).await.is_err() {
        cleaned.left.push(format!("whatever was not taken back within {CLEANUP_MS} ms"));
    }
    cleaned
}

/// Has each of these undone; what is gone meanwhile needs no more.
async fn each<C: CallType>(arena: &Arena, wanted: Vec<Value>) -> (usize, Vec<Fault>) {
    let (mut done, mut failed) = (0, Vec::new());
    for payload in wanted {
        match ask::<C>(&arena.operator, payload).await {
            Ok(_) => done += 1,
            // It went by itself, as leases do with their session.
            Err(fault) if fault.code == Code::NotFound => {}
            Err(fault) => failed.push(fault),
        }
    }
    (done, failed)
}

async fn plans(arena: &Arena, cleaned: &mut Cleaned) {
    let (mut done, mut failed, mut after) = (0, Vec::new(), None);
    loop {
        let list = json!({ "limit": PAGE, "after": after });
        let page = match ask::<call::PlanList>(&arena.operator, list).await {
            Ok(page) => page,
            Err(fault) => return cleaned.tell("plans", done, vec![fault]),
        };
        after = page.plans.last().map(|plan| plan.id.clone());
        let open =
            page.plans.iter().filter(|plan| !matches!(plan.state, PlanState::Done | PlanState::Cancelled));
        let ended = open.map(|plan| json!({ "plan": plan.id, "reason": REASON })).collect();
        let (more, others) = each::<call::PlanCancel>(arena, ended).await;
        (done, failed) = (done + more, [failed, others].concat());
        if !page.more {
            return cleaned.tell("plans cancelled", done, failed);
        }
    }
}

async fn intents(arena: &Arena, cleaned: &mut Cleaned) {
    let (mut done, mut failed) = (0, Vec::new());
    for state in [IntentState::Proposed, IntentState::Verified, IntentState::Approved] {
        let list = json!({ "limit": PAGE, "state": state });
        match ask::<call::IntentList>(&arena.operator, list).await {
            Ok(page) => {
                let open = page.intents.iter().map(|of| json!({ "intent": of.intent.id, "reason": REASON }));
                let (more, others) = each::<call::IntentCancel>(arena, open.collect()).await;
                (done, failed) = (done + more, [failed, others].concat());
            }
            Err(fault) => failed.push(fault),
        }
    }
    cleaned.tell("intents cancelled", done, failed);
}

async fn leases(arena: &Arena, cleaned: &mut Cleaned) {
    let list = json!({ "limit": PAGE });
    match ask::<call::LeaseList>(&arena.operator, list).await {
        Ok(page) => {
            let held = page.leases.iter();
            let held = held.map(|l| json!({ "space": l.space, "lease": l.id, "reason": REASON })).collect();
            let (done, failed) = each::<call::LeaseForceRelease>(arena, held).await;
            cleaned.tell("leases released", done, failed);
        }
        Err(fault) => cleaned.tell("leases", 0, vec![fault]),
    }
}

/// The agents of the mission, whether or not the run got to know them.
async fn agents(arena: &Arena, cleaned: &mut Cleaned) {
    let list = json!({ "mission": arena.mission, "limit": PAGE });
    let sessions = json!({ "mission": arena.mission, "status": "open", "limit": PAGE });
    match ask::<call::SessionList>(&arena.operator, sessions).await {
        Ok(page) => {
            let open = page.sessions.iter();
            let end = |id| json!({ "session": id, "mission": arena.mission, "reason": REASON });
            let (done, failed) = each::<call::SessionEnd>(arena, open.map(|s| end(&s.id)).collect()).await;
            cleaned.tell("sessions ended", done, failed);
        }
        Err(fault) => cleaned.tell("sessions", 0, vec![fault]),
    }
    match ask::<call::AgentList>(&arena.operator, list).await {
        Ok(page) => {
            let active = page.agents.iter().filter(|agent| agent.name.as_str().starts_with("eval-"));
            let retire = active.map(|agent| json!({ "agent": agent.id, "reason": REASON })).collect();
            let (done, failed) = each::<call::AgentRetire>(arena, retire).await;
            cleaned.tell("agents retired", done, failed);
        }
        Err(fault) => cleaned.tell("agents", 0, vec![fault]),
    }
}
