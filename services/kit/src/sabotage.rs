//! Guards that a test may break, to see that the collision suite (`selvedge eval`) notices.
//!
//! Without the feature `sabotage`, and in every build without debug assertions, [`is_broken`] is a constant
//! `false`: no released binary holds a way to break anything. With it, a guard is broken only while a test
//! holds what `on` gave it.

/// What a test may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Facts are appended only at the revision that was decided on.
    Append,
    /// A lease is granted only where nothing held clashes with it.
    Leases,
    /// An intent is executed only under fencing tokens that still count.
    Fence,
    /// A repeated request finds its own fact.
    Repetition,
    /// A session makes only the calls that it was started for.
    Rights,
    /// nats-server lets agents publish only what their role may (broken when the keys are made).
    Permissions,
    /// What is told to be undone was undone.
    Undone,
    /// It was undone once.
    UndoneOnce,
    /// Nobody approves what their own principal proposed.
    OwnApproval,
}

#[cfg(not(all(feature = "sabotage", debug_assertions)))]
mod broken {
    use super::Guard;

    /// Whether the guard is broken: never.
    pub const fn is_broken(_guard: Guard) -> bool {
        false
    }
}

#[cfg(all(feature = "sabotage", debug_assertions))]
mod broken {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Guard;

    static BROKEN: AtomicU32 = AtomicU32::new(0);

    const fn bit(guard: Guard) -> u32 {
        1 << guard as u32
    }

    /// Whether the guard is broken now.
    pub fn is_broken(guard: Guard) -> bool {
        BROKEN.load(Ordering::SeqCst) & bit(guard) != 0
    }

    /// Breaks a guard in this process until what is returned is dropped.
    #[must_use]
    pub fn on(guard: Guard) -> Broken {
        BROKEN.fetch_or(bit(guard), Ordering::SeqCst);
        Broken(guard)
    }

    /// A guard that is broken as long as this is held.
    #[derive(Debug)]
    pub struct Broken(Guard);

    impl Drop for Broken {
        fn drop(&mut self) {
            BROKEN.fetch_and(!bit(self.0), Ordering::SeqCst);
        }
    }
}

pub use broken::*;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_broken_unless_a_test_says_so() {
        assert!(!is_broken(Guard::Append) && !is_broken(Guard::OwnApproval));
    }
}
