//! How far long work is, for people at a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use selvedge_contracts::{id::Digest, payload::artifact::GcReport};

/// Content below this size is there before a bar is.
const LARGE_BYTES: u64 = 8 << 20;
/// A sweep goes through the digests in order: how far it is, is told by their first two hex digits.
const SHARDS: u64 = 256;

/// A bar on standard error; silent where that is no terminal, or the work is short.
pub(in crate::commands) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Progress {
    /// Of content that moves.
    pub(in crate::commands) fn of_bytes() -> Self {
        Self::styled("{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left")
    }

    /// Of a sweep.
    pub(super) fn of_sweep() -> Self {
        Self::styled("{bar:30} {percent}% of the store, {msg}")
    }

    fn styled(template: &str) -> Self {
        let bar = ProgressBar::hidden();
        // The templates are ours; without one the default is shown.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, is_terminal: std::io::stderr().is_terminal() }
    }

    /// Takes the news of a transfer.
    pub(in crate::commands) fn told(&self, done: u64, all: Option<u64>) {
        if all.unwrap_or(done) >= LARGE_BYTES {
            self.show(done, all);
        }
    }

    /// Takes the news of a sweep that goes on after `next`.
    pub(super) fn swept(&self, so_far: &GcReport, next: &Digest) {
        let shard = next.as_str().get(..2).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let GcReport { removed, named, kept, .. } = so_far;
        self.bar.set_message(format!("{} unnamed, {} kept so far", removed.len(), named + kept));
        self.show(shard.unwrap_or(0), Some(SHARDS));
    }

    fn show(&self, done: u64, all: Option<u64>) {
        if self.is_terminal && self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        match all {
            Some(all) => self.bar.set_length(all),
            None => self.bar.unset_length(),
        }
        self.bar.set_position(done);
    }

    /// Takes the bar away.
    pub(in crate::commands) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use indicatif::TermLike;

    use super::*;

    /// A terminal that keeps what is written on it.
    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<String>>);

    impl Paper {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn on(paper: &Paper, progress: Progress) -> Progress {
        progress.bar.set_draw_target(ProgressDrawTarget::term_like_with_hz(Box::new(paper.clone()), 255));
        Progress { is_terminal: true, ..progress }
    }

    #[test]
    fn a_long_transfer_says_how_far_it_is_and_a_short_one_nothing() {
        let paper = Paper::default();
        let progress = on(&paper, Progress::of_bytes());
        progress.told(1 << 20, Some(2 << 20));
        assert_eq!(paper.text(), "");
        progress.told(16 << 20, Some(64 << 20));
        assert!(paper.text().contains("16.00 MiB/64.00 MiB"), "{}", paper.text());
    }

    #[test]
    fn a_sweep_says_how_far_it_is_and_what_it_found() {
        let paper = Paper::default();
        let so_far = GcReport { named: 40, kept: 2, ..GcReport::default() };
        let half = Digest::new(&format!("80{:f<62}", "")).unwrap();
        on(&paper, Progress::of_sweep()).swept(&so_far, &half);
        assert!(paper.text().contains("50% of the store, 0 unnamed, 42 kept so far"), "{}", paper.text());
    }

    #[test]
    fn where_there_is_no_terminal_nothing_is_drawn() {
        let progress = Progress { is_terminal: false, ..Progress::of_bytes() };
        progress.told(16 << 20, Some(64 << 20));
        assert!(progress.bar.is_hidden());
    }
}
