//! Answers that nobody hears. Whoever asked may be gone by the time it is answered: killed, or cut off. Its server
//! knows, and says so if the answer names where: on a subject of the service's own inbox. A handler that gave
//! something away can take it back then.
//!
//! Only that nobody is there is told, never that somebody is, and nothing waits for it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_nats::Subscriber;
use futures::StreamExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use crate::bus::{Bus, BusError};

/// Done when an answer was heard by nobody.
pub(super) type Undo = Box<dyn FnOnce() + Send>;

/// Answers that are remembered, the last ones: the server says it within a round trip.
const KEPT: usize = 4_096;

/// The answers that may turn out to be heard by nobody.
pub(super) struct Unheard {
    /// Subject below which the server says it; the answer's number follows.
    inbox: String,
    sent: Mutex<Sent>,
}

/// Numbers follow on each other, so an answer's place follows from its number.
#[derive(Default)]
struct Sent {
    first: u64,
    undo: VecDeque<Option<Undo>>,
}

impl Unheard {
    /// Listens until `stop`.
    ///
    /// # Errors
    /// [`BusError`] if the bus refuses the subscription.
    pub(super) async fn start(
        bus: &Bus,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, BusError> {
        let inbox = format!("{}.unheard", bus.client().new_inbox());
        let told = bus.subscribe(&format!("{inbox}.*"), None).await?;
        let unheard = Arc::new(Self { inbox, sent: Mutex::default() });
        tasks.spawn(Arc::clone(&unheard).listen(told, stop));
        Ok(unheard)
    }

    /// Remembers what is to be done if the next answer is heard by nobody; answers with the subject that it has to
    /// name for that.
    pub(super) fn watch(&self, undo: Undo) -> String {
        let mut sent = self.sent();
        if sent.undo.len() == KEPT {
            sent.undo.pop_front();
            sent.first += 1;
        }
        let number = sent.first + sent.undo.len() as u64;
        sent.undo.push_back(Some(undo));
        format!("{}.{number}", self.inbox)
    }

    async fn listen(self: Arc<Self>, mut told: Subscriber, stop: CancellationToken) {
        while let Some(Some(message)) = stop.run_until_cancelled(told.next()).await {
            let number = message.subject.rsplit('.').next().and_then(|number| number.parse().ok());
            let is_nobody = message.status == Some(async_nats::StatusCode::NO_RESPONDERS);
            if let Some(undo) = number.filter(|_| is_nobody).and_then(|number| self.take(number)) {
                debug!(number, "an answer was heard by nobody");
                undo();
            }
        }
    }

    fn take(&self, number: u64) -> Option<Undo> {
        let mut sent = self.sent();
        let at = usize::try_from(number.checked_sub(sent.first)?).ok()?;
        sent.undo.get_mut(at)?.take()
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn each_answer_is_undone_once_and_the_last_ones_are_remembered() {
        let unheard = Unheard { inbox: "in".to_owned(), sent: Mutex::default() };
        let undone = Arc::new(AtomicUsize::new(0));
        let watch = || {
            let undone = Arc::clone(&undone);
            unheard.watch(Box::new(move || {
                undone.fetch_add(1, Ordering::Relaxed);
            }))
        };
        assert_eq!((watch(), watch()), ("in.0".to_owned(), "in.1".to_owned()));
        unheard.take(1).unwrap()();
        assert!(unheard.take(1).is_none() && unheard.take(2).is_none());
        let last = (2..=KEPT as u64).fold(String::new(), |_, _| watch());
        assert_eq!(last, format!("in.{KEPT}"));
        assert!(unheard.take(0).is_none(), "it is too long ago");
        unheard.take(KEPT as u64).unwrap()();
        assert_eq!(undone.load(Ordering::Relaxed), 2);
    }
}
