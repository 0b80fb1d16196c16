//! Whether the process can do its work: named checks that those who know set. Never checks anything
//! itself.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::sync::watch;

/// One thing that must hold before requests make sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether it holds.
    pub ok: bool,
    /// What to do if it does not.
    pub hint: &'static str,
}

/// The checks of the process, by name. A clone is the same checks.
#[derive(Debug, Clone)]
pub struct Readiness(watch::Sender<BTreeMap<&'static str, Check>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Readiness {
    /// Adds the check `name`, which does not hold yet; `hint` says what to do while it does not.
    pub fn register(&self, name: &'static str, hint: &'static str) {
        self.0.send_modify(|checks| _ = checks.insert(name, Check { ok: false, hint }));
    }

    /// Says whether the check `name` holds. One that was not registered is added, without a hint.
    pub fn set(&self, name: &'static str, ok: bool) {
        self.0.send_if_modified(|checks| {
            let check = checks.entry(name).or_insert(Check { ok: !ok, hint: "" });
            std::mem::replace(&mut check.ok, ok) != ok
        });
    }

    /// Whether there are checks and all hold: a process that has registered none has not started.
    pub fn is_ready(&self) -> bool {
        all_hold(&self.0.borrow())
    }

    /// Waits until [`Self::is_ready`]. Without a bound of its own: the caller has the deadline.
    pub async fn ready(&self) {
        // It fails when the sender is gone, and that is `self`.
        let _ = self.0.subscribe().wait_for(all_hold).await;
    }

    /// The checks as they stand.
    pub fn checks(&self) -> BTreeMap<&'static str, Check> {
        self.0.borrow().clone()
    }

    /// `{"ok": …, "checks": {name: {"ok": …, "hint": …}}}`, the hint only where it is needed.
    pub(super) fn json(&self) -> String {
        let checks = self.checks();
        let of = |(name, check): (&&'static str, &Check)| {
            let body = match check.ok {
                true => json!({"ok": true}),
                false => json!({"ok": false, "hint": check.hint}),
            };
            ((*name).to_owned(), body)
        };
        let listed: serde_json::Map<_, _> = checks.iter().map(of).collect();
        json!({"ok": all_hold(&checks), "checks": listed}).to_string()
    }
}

fn all_hold(checks: &BTreeMap<&'static str, Check>) -> bool {
    !checks.is_empty() && checks.values().all(|check| check.ok)
}
