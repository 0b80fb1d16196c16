//! What workers and verifiers tell of what they do: a line for people, or JSON for programs.

use selvedge_contracts::{id::TaskId, payload::task::Task};
use selvedge_kit::clock::now_ms;
use serde::Serialize;

use crate::{
    commands::plan::short,
    output::{self, Format, instant_ms, visible_line},
};

/// Tells what happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Events(pub(crate) Format);

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event<'a> {
    at_ms: u64,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

impl Events {
    /// Something about the worker or verifier itself.
    pub(crate) fn tell(self, event: &str, message: &str) {
        self.print(&Event { at_ms: now_ms(), event, task: None, name: None, attempt: None, message });
    }

    /// Something about an attempt.
    pub(crate) fn tell_of(self, task: &Task, event: &str, message: &str) {
        let name = Some(format!("{}/{}", short(task.plan.as_str()), task.name));
        let (id, attempt) = (Some(&task.id), Some(task.attempt));
        self.print(&Event { at_ms: now_ms(), event, task: id, name, attempt, message });
    }

    fn print(self, event: &Event<'_>) {
        let line = match self.0 {
            Format::Human => human(event),
            Format::Json | Format::Jsonl => serde_json::to_string(event).unwrap_or_default(),
        };
        // Nobody is left to be told that standard output is closed; the work goes on.
        let _ = output::say(&line);
    }
}

fn human(event: &Event<'_>) -> String {
    let of = match (&event.name, event.attempt) {
        (Some(name), Some(attempt)) => format!("  {name} attempt {attempt}"),
        _ => String::new(),
    };
    let message =
        if event.message.is_empty() { String::new() } else { format!("  {}", visible_line(event.message)) };
    format!("{}  {:<10}{of}{message}", instant_ms(event.at_ms), event.event)
}
