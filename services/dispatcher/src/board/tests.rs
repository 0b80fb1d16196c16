use std::time::Duration;

use selvedge_contracts::{fact::EntityName, id::Caller, payload::task::Task, subject::Entity};
use selvedge_kit::{ledger::FactRecord, rule::Verdict, view::Apply};

use super::*;
use crate::rule::{
    fixture::{claim, plan, plan_of},
    task::{self as rule, HandedIn, Of},
};

/// A board, and what would stand in the ledger.
struct Scene {
    board: Arc<Board>,
    views: Views,
    revision: u64,
}

impl Scene {
    fn new() -> Self {
        let views = Views::default();
        Self { board: Arc::new(Board::new(views.clone())), views, revision: 0 }
    }

    fn fact<S: selvedge_contracts::fact::State>(&mut self, view: &View<S>, entity: Entity, state: &S) -> u64 {
        self.revision += 1;
        let payload = serde_json::json!({ "change": {}, "state": state }).to_string().into_bytes();
        let envelope = selvedge_contracts::envelope::Envelope { payload, ..Default::default() };
        let fact = selvedge_contracts::subject::Fact { entity, kind: "a.test".to_owned() };
        let record = FactRecord { revision: self.revision, at_ms: 0, fact, request: None, envelope };
        view.apply(&record).unwrap();
        self.revision
    }

    fn plan(&mut self, plan: &Plan) -> Arc<Plan> {
        let entity = crate::lookup::plan_entity(&plan.mission, &plan.id);
        let revision = self.fact(&Arc::clone(&self.views.plans), entity, plan);
        let plan = Arc::new(plan.clone());
        self.board.note_plan(&plan, revision);
        plan
    }

    fn task(&mut self, task: &Task) {
        let entity = crate::state::entity(&task.mission, EntityName::Task, &task.id);
        let revision = self.fact(&Arc::clone(&self.views.tasks), entity, task);
        self.board.note_task(task, revision);
    }

    fn case(&mut self, case: &Case) {
        let entity = crate::state::entity(&case.mission, EntityName::Case, &case.id);
        let revision = self.fact(&Arc::clone(&self.views.cases), entity, case);
        self.board.note_case(case, revision);
    }

    fn capacity(&mut self, capacity: &Capacity) {
        let entity = crate::state::entity(&capacity.mission, EntityName::Capacity, &capacity.name);
        let id = entity.id.clone();
        let revision = self.fact(&Arc::clone(&self.views.capacities), entity, capacity);
        self.board.note_capacity(&capacity.mission, &id, revision);
    }

    /// A ready task, if there is one now.
    async fn next(&self) -> Option<Ticket> {
        self.board.seek(&lane(), Deadline::in_ms(0)).await
    }

    /// Its name, put back at once.
    async fn next_name(&self) -> Option<String> {
        self.next().await.map(|ticket| name(&ticket))
    }
}

fn lane() -> LaneKey {
    LaneKey {
        mission: Mission::new("demo").unwrap(),
        queue: QueueName::new("default").unwrap(),
        role: Role::Worker,
    }
}

fn name(ticket: &Ticket) -> String {
    ticket.plan.spec.tasks[ticket.place.index].id.to_string()
}

fn state(verdict: Verdict<Task>) -> Task {
    match verdict {
        Verdict::Changed(change) => change.state,
        Verdict::Same => panic!("nothing changed"),
    }
}

fn claimed(plan: &Plan, index: usize, now_ms: u64) -> Task {
    let spec = &plan.spec.tasks[index];
    let by = |attempt| claim(plan, spec, attempt, "ada-0a1b2c3d", now_ms);
    state(rule::claim(None, Of { plan, spec }, by, now_ms).unwrap())
}

fn validated(plan: &Plan, task: &Task, index: usize) -> Task {
    let of = Of { plan, spec: &plan.spec.tasks[index] };
    let (claim, by) = (task.claim.clone().unwrap(), Caller::new("dispatcher").unwrap());
    let value = serde_json::json!({});
    let output = selvedge_contracts::payload::task::Output {
        digest: selvedge_contracts::id::Digest::of_json(&value),
        value,
        at_ms: 0,
    };
    let handed_in = HandedIn {
        worker: &claim.worker,
        token: &claim.token,
        output,
        findings: Vec::new(),
        offers: Vec::new(),
        by: &by,
    };
    state(rule::submit(task, of, &handed_in, claim.claimed_at_ms).unwrap())
}

#[tokio::test]
async fn a_task_is_ready_once_all_that_it_needs_is_validated() {
    let mut scene = Scene::new();
    let plan = scene.plan(&plan(plan_of(&[("c", &["a", "b"]), ("a", &[]), ("b", &[])])));
    assert_eq!(scene.next_name().await.as_deref(), Some("a"));
    let a = claimed(&plan, 1, 0);
    scene.task(&a);
    assert_eq!(scene.next_name().await.as_deref(), Some("b"));
    let b = claimed(&plan, 2, 0);
    scene.task(&b);
    assert_eq!(scene.next_name().await, None);
    scene.task(&validated(&plan, &a, 1));
    assert_eq!(scene.next_name().await, None);
    scene.task(&validated(&plan, &b, 2));
    assert_eq!(scene.next_name().await.as_deref(), Some("c"));
    let key = (plan.mission.clone(), plan.id.clone());
    assert_eq!(scene.board.outcome(&key), None);
    let c = claimed(&plan, 0, 0);
    scene.task(&c);
    scene.task(&validated(&plan, &c, 0));
    assert_eq!(scene.board.outcome(&key), Some(Outcome::Done));
}

#[tokio::test]
async fn who_waits_longest_is_served_first_and_at_once() {
    let mut scene = Scene::new();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let board = Arc::clone(&scene.board);
            tokio::spawn(async move { board.seek(&lane(), Deadline::in_ms(60_000)).await })
        })
        .collect();
    while scene.board.lock().lanes.get(&lane()).is_none_or(|lane| lane.waiting.len() < 3) {
        tokio::task::yield_now().await;
    }
    scene.plan(&plan(plan_of(&[("a", &[]), ("b", &[]), ("c", &[])])));
    let mut names = Vec::new();
    let mut tickets = Vec::new();
    for waits in waiting {
        let ticket = tokio::time::timeout(Duration::from_secs(5), waits).await.unwrap().unwrap().unwrap();
        names.push(name(&ticket));
        tickets.push(ticket);
    }
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(scene.next_name().await, None, "all are on offer");
    drop(tickets);
    assert_eq!(scene.next_name().await.as_deref(), Some("a"), "what nobody took is there again");
}

#[tokio::test]
async fn plans_take_turns_and_what_is_urgent_goes_first() {
    let mut scene = Scene::new();
    let mut first = plan(plan_of(&[("a1", &[]), ("a2", &[])]));
    first.submitted_at_ms = 1;
    let mut second = plan(plan_of(&[("b1", &[]), ("b2", &[])]));
    second.submitted_at_ms = 2;
    let mut urgent = plan_of(&[("c1", &[])]);
    urgent.priority = 90;
    let (first, _) = (scene.plan(&first), scene.plan(&second));
    assert_eq!(scene.next_name().await.as_deref(), Some("a1"));
    scene.task(&claimed(&first, 0, 0));
    assert_eq!(scene.next_name().await.as_deref(), Some("b1"), "the other plan's turn");
    scene.plan(&plan(urgent));
    assert_eq!(scene.next_name().await.as_deref(), Some("c1"));
}

#[tokio::test]
async fn nobody_is_offered_more_than_the_pool_has_room_for() {
    let mut scene = Scene::new();
    let pool = PoolName::new("gpu").unwrap();
    let capacity =
        |slots, used| Capacity { name: pool.clone(), mission: Mission::new("demo").unwrap(), slots, used };
    scene.capacity(&capacity(1, Vec::new()));
    let mut spec = plan_of(&[("a", &[]), ("b", &[]), ("free", &[])]);
    spec.tasks[0].pools = vec![pool.clone()];
    spec.tasks[1].pools = vec![pool.clone()];
    let plan = scene.plan(&plan(spec));
    let held = scene.next().await.unwrap();
    assert_eq!(name(&held), "a");
    assert_eq!(scene.next_name().await.as_deref(), Some("free"), "the pool is spoken for");
    scene.capacity(&capacity(1, vec![plan.id.task(&plan.spec.tasks[0].id)]));
    scene.task(&claimed(&plan, 0, 0));
    drop(held);
    assert_eq!(scene.next_name().await.as_deref(), Some("free"));
    scene.capacity(&capacity(1, Vec::new()));
    assert_eq!(scene.next_name().await.as_deref(), Some("b"));
}

#[tokio::test]
async fn a_cap_of_a_queue_counts_from_when_it_is_set_also_for_plans_that_were_there() {
    let mut scene = Scene::new();
    let plan = scene.plan(&plan(plan_of(&[("a", &[]), ("b", &[])])));
    let capacity = |slots, used| Capacity {
        name: PoolName::new("queue-default").unwrap(),
        mission: Mission::new("demo").unwrap(),
        slots,
        used,
    };
    assert_eq!(scene.next_name().await.as_deref(), Some("a"));
    scene.capacity(&capacity(1, Vec::new()));
    let held = scene.next().await.unwrap();
    assert_eq!((name(&held), scene.next_name().await), ("a".to_owned(), None), "the pool is spoken for");
    drop(held);
    scene.capacity(&capacity(1, vec![plan.id.task(&plan.spec.tasks[0].id)]));
    assert_eq!(scene.next_name().await, None);
    scene.capacity(&capacity(2, vec![plan.id.task(&plan.spec.tasks[0].id)]));
    assert!(scene.next().await.is_some());
}

#[tokio::test]
async fn a_paused_plan_offers_nothing_and_a_cancelled_one_stops_what_runs() {
    let mut scene = Scene::new();
    let running = scene.plan(&plan(plan_of(&[("a", &[]), ("b", &[])])));
    scene.task(&claimed(&running, 0, 0));
    scene.plan(&Plan { state: PlanState::Paused, ..running.as_ref().clone() });
    assert_eq!(scene.next_name().await, None);
    scene.plan(&Plan { state: PlanState::Running, ..running.as_ref().clone() });
    assert_eq!(scene.next_name().await.as_deref(), Some("b"));
    scene.plan(&Plan { state: PlanState::Cancelled, ..running.as_ref().clone() });
    assert_eq!(scene.next_name().await, None);
    let (due, _) = scene.board.take_due(u64::MAX);
    assert!(due.iter().any(|job| matches!(job, Job::Stop(place, 1) if place.index == 0)), "{due:?}");
}

#[tokio::test]
async fn a_plan_fails_when_nothing_else_can_go_on_and_goes_on_in_a_new_round() {
    let mut scene = Scene::new();
    let mut spec = plan_of(&[("a", &[]), ("after", &["a"]), ("b", &[])]);
    spec.tasks[0].attempts = 1;
    let plan = scene.plan(&plan(spec));
    let key = (plan.mission.clone(), plan.id.clone());
    let a = claimed(&plan, 0, 0);
    scene.task(&a);
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    scene.task(&state(rule::give_up(&a, of, 1, selvedge_contracts::payload::task::Cause::Lost, 1)));
    assert_eq!(scene.board.outcome(&key), None, "b can still be done");
    let b = claimed(&plan, 2, 0);
    scene.task(&b);
    scene.task(&validated(&plan, &b, 2));
    assert_eq!(scene.board.outcome(&key), Some(Outcome::Failed));
    let (due, _) = scene.board.take_due(u64::MAX);
    assert!(
        due.iter().any(|job| matches!(job, Job::Bury(..)))
            && due.iter().any(|job| matches!(job, Job::Finish(_)))
    );
    scene.plan(&Plan { state: PlanState::Failed, ..plan.as_ref().clone() });
    scene.plan(&Plan { round: 1, ..plan.as_ref().clone() });
    assert_eq!(scene.next_name().await.as_deref(), Some("a"), "and what was validated is not done again");
}

fn lost(plan: &Plan, task: &Task) -> Task {
    let of = Of { plan, spec: &plan.spec.tasks[0] };
    state(rule::give_up(task, of, task.attempt, selvedge_contracts::payload::task::Cause::Lost, 1))
}

#[tokio::test]
async fn a_plan_waits_for_a_decision_if_it_says_so() {
    for says_so in [false, true] {
        let mut scene = Scene::new();
        let mut spec = plan_of(&[("a", &[]), ("b", &["a"])]);
        spec.tasks[0].attempts = 1;
        spec.arbitration = says_so.then(Default::default);
        let plan = scene.plan(&plan(spec));
        let key = (plan.mission.clone(), plan.id.clone());
        let task = claimed(&plan, 0, 0);
        scene.task(&task);
        let failed = lost(&plan, &task);
        scene.task(&failed);
        let ends = (!says_so).then_some(Outcome::Failed);
        assert_eq!(scene.board.outcome(&key), ends, "before the case");
        let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
        let case = case_rule::about(&failed, of, Vec::new(), 5).unwrap();
        scene.case(&case);
        assert_eq!(scene.board.outcome(&key), ends, "while it is open");
        assert_eq!(scene.board.cases_of(&key, 9).len(), 1);
        scene.plan(&plan); // taken in anew, with all that it holds
        assert_eq!(scene.board.outcome(&key), ends);
        let aborted = Case { state: selvedge_contracts::payload::case::CaseState::Decided, ..case };
        scene.case(&aborted);
        assert_eq!(scene.board.outcome(&key), Some(Outcome::Failed), "once it is decided");
        assert!(scene.board.cases_of(&key, 9).is_empty() && scene.board.cases_in(&key.0).is_empty());
    }
}

#[tokio::test]
async fn a_case_whose_task_goes_on_is_put_on_the_agenda() {
    let mut scene = Scene::new();
    let mut spec = plan_of(&[("a", &[])]);
    spec.tasks[0].attempts = 1;
    let plan = scene.plan(&plan(spec));
    let task = claimed(&plan, 0, 0);
    scene.task(&task);
    let failed = lost(&plan, &task);
    scene.task(&failed);
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let case = case_rule::about(&failed, of, Vec::new(), 5).unwrap();
    scene.case(&case);
    let closes = |scene: &Scene| {
        let (due, _) = scene.board.take_due(u64::MAX);
        due.iter().any(|job| matches!(job, Job::Close(_, id) if *id == case.id))
    };
    assert!(!closes(&scene));
    scene.task(&state(rule::replay(&failed, of, 9).unwrap()));
    assert!(closes(&scene));
}

#[tokio::test]
async fn what_a_failed_plan_left_unburied_is_found_again() {
    let mut scene = Scene::new();
    let mut spec = plan_of(&[("a", &[])]);
    spec.tasks[0].attempts = 1;
    let running = plan(spec);
    let failed = lost(&running, &claimed(&running, 0, 0));
    scene.plan(&Plan { state: PlanState::Failed, ..running });
    scene.task(&failed);
    let (due, _) = scene.board.take_due(u64::MAX);
    assert!(due.iter().any(|job| matches!(job, Job::Bury(_, 1))), "{due:?}");
}
