//! The terminal that a command may read from: it belongs to one process group at a time.

use std::io::{self, IsTerminal as _};

use nix::{
    sys::signal::{SigSet, Signal},
    unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp},
};

/// The terminal on standard input, which was ours when the command started.
pub(super) struct Terminal(());

impl Terminal {
    /// If there is one and our group has it.
    pub(super) fn ours() -> Option<Self> {
        let input = io::stdin();
        let is_ours = input.is_terminal() && tcgetpgrp(&input).is_ok_and(|group| group == getpgrp());
        is_ours.then_some(Self(()))
    }

    /// Gives it to a group.
    pub(super) fn give_to(&self, group: Pid) {
        let mut set = SigSet::empty();
        set.add(Signal::SIGTTOU);
        // Whoever gives it away without having it is stopped by this signal, unless it is blocked. Without
        // a terminal the command still runs.
        let before = set.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK);
        let _ = tcsetpgrp(io::stdin(), group);
        if let Ok(before) = before {
            let _ = before.thread_set_mask();
        }
    }
}
