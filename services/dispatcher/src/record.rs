//! Recording what becomes of a task. A task that counts in pools is recorded together with them, all or
//! nothing: a slot is in use if and only if the ledger says that somebody has the task. That is why the slots
//! stand in the ledger and not among the leases: they would be two stores with a crash in between.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::PoolName,
    payload::{
        dead::DeadLetter,
        plan::Plan,
        task::{Task, TaskState},
    },
    subject::Entity,
};
use selvedge_kit::{
    rule::Verdict,
    service::{Answer, Draft, Recorded, Writer},
};

use crate::{
    board::PlanKey,
    lookup::{Found, plan_entity},
    rule::{capacity, dead, plan as plan_rule},
    state::{Dispatcher, entity},
};

impl Dispatcher {
    /// Records what `decide` makes of a task, has it count in its pools as long as somebody has it, and tells
    /// the board.
    ///
    /// # Errors
    /// The refusal of `decide`; conflict if a pool is full; as the kit's `Writer` says.
    pub(crate) async fn record_task(
        &self,
        writer: &Writer,
        found: &Found,
        mut decide: impl FnMut(Option<&Task>) -> Result<Verdict<Task>, Fault> + Send,
    ) -> Answer<Recorded<Task>> {
        let plan = &found.plan;
        let id = plan.id.task(&found.of()?.spec.id);
        let of = entity(&plan.mission, EntityName::Task, &id);
        let recorded = match self.record_plain(writer, found, &of, &mut decide).await {
            Some(recorded) => recorded,
            None => {
                let _turn = self.turn.lock().await;
                let drafts = || self.drafts(&of, &mut decide);
                writer.record_all(&of, drafts).await.and_then(|()| {
                    let entry = self.views.tasks.get(&of.mission, &of.id);
                    let entry =
                        entry.ok_or_else(|| Fault::internal("a task that was recorded is not known"))?;
                    Ok(Recorded { revision: entry.revision, state: entry.state })
                })
            }
        };
        // Also after a refusal: the view may know more than the board by then.
        let entry = self.views.tasks.get(&of.mission, &of.id);
        if let Some(entry) = &entry {
            self.board.note_task(&entry.state, entry.revision);
        }
        let claim = entry.as_ref().and_then(|entry| entry.state.claim.as_ref());
        for pool in claim.iter().flat_map(|claim| &claim.pools) {
            let id = pool.into();
            if let Some(entry) = self.views.capacities.get(&of.mission, &id) {
                self.board.note_capacity(&of.mission, &id, entry.revision);
            }
        }
        recorded
    }

    /// Pools in which a task counts that is claimed now.
    pub(crate) fn pools_now(&self, found: &Found) -> Vec<PoolName> {
        plan_rule::pools_of(&found.plan, found.index, |pool| self.views.is_set(&found.plan.mission, pool))
    }

    /// Records what becomes of a task that counts in no pool; nothing if it counts in some.
    async fn record_plain(
        &self,
        writer: &Writer,
        found: &Found,
        of: &Entity,
        decide: &mut (impl FnMut(Option<&Task>) -> Result<Verdict<Task>, Fault> + Send),
    ) -> Option<Answer<Recorded<Task>>> {
        let counts = |task: &Task| task.claim.as_ref().is_some_and(|claim| !claim.pools.is_empty());
        let current = self.views.tasks.state(&of.mission, &of.id);
        if current.is_some_and(|task| counts(&task)) || !self.pools_now(found).is_empty() {
            return None;
        }
        // The view may be behind: what the claim itself says is what counts.
        let mut is_plain = true;
        let decide = |current: Option<&Task>| {
            is_plain = true;
            let verdict = decide(current)?;
            is_plain = !matches!(&verdict, Verdict::Changed(change) if counts(&change.state));
            if is_plain { Ok(verdict) } else { Err(Fault::conflict("it counts in pools")) }
        };
        let recorded = writer.record(&self.views.tasks, of, decide).await;
        is_plain.then_some(recorded)
    }

    /// What becomes of a task, and of the pools in which its claim counts.
    pub(crate) fn drafts(
        &self,
        of: &Entity,
        decide: &mut (impl FnMut(Option<&Task>) -> Result<Verdict<Task>, Fault> + Send),
    ) -> Result<Vec<Draft>, Fault> {
        let mut after = None;
        let draft = Draft::decide(&self.views.tasks, of.clone(), |current| {
            let verdict = decide(current)?;
            if let Verdict::Changed(change) = &verdict {
                after = Some(change.state.clone());
            }
            Ok(verdict)
        })?;
        let (Some(draft), Some(after)) = (draft, after) else { return Ok(Vec::new()) };
        let mut drafts = vec![draft];
        for pool in after.claim.iter().flat_map(|claim| &claim.pools) {
            let of_pool = entity(&of.mission, EntityName::Capacity, pool);
            drafts.extend(Draft::decide(&self.views.capacities, of_pool, |current| match after.state {
                TaskState::Running => capacity::take(current, &after.id),
                _ => capacity::free(current, &after.id),
            })?);
        }
        Ok(drafts)
    }

    /// Ends a plan that has come to its end, as the board has it.
    ///
    /// # Errors
    /// As the kit's `Writer` says.
    pub(crate) async fn finish(&self, writer: &Writer, key: &PlanKey) -> Answer<()> {
        if self.board.outcome(key).is_none() {
            return Ok(());
        }
        let decide = |current: Option<&Plan>| {
            let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
            // Looked at anew each time: somebody may have had a task tried once more.
            Ok(self.board.outcome(key).map_or(Verdict::Same, |outcome| plan_rule::finish(current, outcome)))
        };
        let recorded = writer.record(&self.views.plans, &plan_entity(&key.0, &key.1), decide).await?;
        self.board.note_plan(&recorded.state, recorded.revision);
        Ok(())
    }

    /// Ends the plan of a task, if that was the last of it, without anybody waiting for that. Where it does not
    /// come to that, the agenda does.
    pub(crate) fn finish_soon(self: &Arc<Self>, writer: &Writer, found: &Found) {
        let key = found.place().plan;
        if self.board.outcome(&key).is_none() {
            return;
        }
        let (state, writer) = (Arc::clone(self), writer.follow_up("finish"));
        self.tasks.spawn(async move {
            if let Err(fault) = state.finish(&writer, &key).await {
                tracing::debug!(plan = %key.1, error = %fault, "the plan is ended later");
            }
        });
    }

    /// Keeps a dead letter.
    ///
    /// # Errors
    /// As the kit's `Writer` says.
    pub(crate) async fn bury(&self, writer: &Writer, letter: &DeadLetter) -> Answer<Recorded<DeadLetter>> {
        let of = entity(&letter.mission, EntityName::Dead, &letter.id);
        writer.record(&self.letters, &of, |current| Ok(dead::bury(current, letter))).await
    }
}
