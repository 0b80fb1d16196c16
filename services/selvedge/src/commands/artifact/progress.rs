//! How far a transfer is, for people at a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Content below this size is there before a bar is.
const LARGE_BYTES: u64 = 8 << 20;

/// A bar on standard error; silent where that is no terminal, or the content is small.
pub(in crate::commands) struct Progress(ProgressBar);

impl Progress {
    pub(in crate::commands) fn new() -> Self {
        let bar = ProgressBar::hidden();
        let style =
            ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left");
        // The template is ours; without it the default is shown.
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Takes the news of a transfer.
    pub(in crate::commands) fn told(&self, done: u64, all: Option<u64>) {
        if all.unwrap_or(done) < LARGE_BYTES || !std::io::stderr().is_terminal() {
            return;
        }
        if self.0.is_hidden() {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
        match all {
            Some(all) => self.0.set_length(all),
            None => self.0.unset_length(),
        }
        self.0.set_position(done);
    }

    /// Takes the bar away.
    pub(in crate::commands) fn end(&self) {
        self.0.finish_and_clear();
    }
}
