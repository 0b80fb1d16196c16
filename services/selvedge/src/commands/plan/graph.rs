//! `selvedge plan graph`: who waits for whom, for Graphviz and Mermaid.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use selvedge_contracts::{
    id::TaskName,
    payload::{
        plan::{PlanReply, TaskSpec},
        task::{Phase, TaskLine},
    },
};

use super::{PlanNamed, whole};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::Done,
    output::{say, visible_line},
};

/// Draw a plan: who waits for whom, coloured by how each task stands.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge plan graph 0a1b2c3d4e5f | dot -Tsvg >plan.svg
  selvedge plan graph 0a1b2c3d4e5f --format mermaid --as ada

With --output json or jsonl it is one JSON document {format, text}.")]
pub(crate) struct Graph {
    /// The plan: its id, or the first 8 or more hex digits of it.
    plan: PlanNamed,
    /// Language of the drawing.
    #[arg(long, value_enum, default_value_t)]
    format: Language,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Graphviz.
    #[default]
    Dot,
    /// Mermaid.
    Mermaid,
}

impl Graph {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let plan = self.plan.find(&asking.client).await?;
        let reply = whole::shown(&asking.client, plan).await?;
        let (format, text) = match self.format {
            Language::Dot => ("dot", dot(&reply)),
            Language::Mermaid => ("mermaid", mermaid(&reply)),
        };
        match context.output {
            crate::output::Format::Human => say(&text)?,
            output => {
                output.print(&serde_json::json!({ "format": format, "text": text }), |_| String::new())?
            }
        }
        Ok(())
    }
}

/// In Graphviz's language.
fn dot(reply: &PlanReply) -> String {
    let quoted =
        |text: &str| format!("\"{}\"", visible_line(text).replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=filled];\n",
        quoted(&reply.plan.spec.title)
    );
    for (task, line) in reply.plan.spec.tasks.iter().zip(&reply.tasks) {
        let label = quoted(&label(task, line));
        let id = quoted(task.id.as_str());
        let _ = writeln!(text, "  {id} [label={label}, fillcolor={}];", colour(line.phase)); // into a text
        for need in &task.needs {
            let _ = writeln!(text, "  {} -> {id};", quoted(need.as_str()));
        }
    }
    text.push('}');
    text
}

/// In Mermaid's language. Names of nodes are numbers: some words mean something there.
fn mermaid(reply: &PlanReply) -> String {
    let tasks = &reply.plan.spec.tasks;
    let node =
        |name: &TaskName| tasks.iter().position(|task| task.id == *name).map(|place| format!("t{place}"));
    let escaped =
        |text: &str| visible_line(text).replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;");
    let mut text = "flowchart LR\n".to_owned();
    for (place, (task, line)) in tasks.iter().zip(&reply.tasks).enumerate() {
        let label = escaped(&label(task, line));
        let _ = writeln!(text, "  t{place}[\"{label}\"]"); // into a text
        let _ = writeln!(text, "  style t{place} fill:{}", colour(line.phase));
        for need in task.needs.iter().filter_map(node) {
            let _ = writeln!(text, "  {need} --> t{place}");
        }
    }
    text
}

/// What stands in a task's box: with what it reserves and changes outside.
fn label(task: &TaskSpec, line: &TaskLine) -> String {
    let mut text = format!("{}: {} ({})", task.id, task.title, line.phase.name());
    for reservation in &task.reserve {
        let _ = write!(text, " reserves {reservation}"); // into a text
    }
    for effect in &task.effects {
        let _ = write!(text, " changes {}", effect.on); // into a text
    }
    text
}

const fn colour(phase: Phase) -> &'static str {
    match phase {
        Phase::Validated => "palegreen",
        Phase::Running => "lightskyblue",
        Phase::Submitted => "khaki",
        Phase::Committing => "gold",
        Phase::Ready => "white",
        Phase::Blocked | Phase::Stopped => "lightgray",
        Phase::Gated | Phase::Waiting => "orange",
        Phase::Failed => "salmon",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::plan::tree::tests::reply;

    #[test]
    fn a_drawing_has_every_task_and_every_need_and_no_text_gets_out_of_its_quotes() {
        let dot = dot(&reply());
        assert!(
            dot.contains("\"a\" [label=\"a: the \\\"first\\\" (validated)\", fillcolor=palegreen];"),
            "{dot}"
        );
        assert!(
            dot.contains("\"a\" -> \"b\";") && dot.contains("\"b\" -> \"c\";") && dot.ends_with('}'),
            "{dot}"
        );
        let mermaid = mermaid(&reply());
        assert!(
            mermaid.starts_with("flowchart LR\n")
                && mermaid.contains("t2[\"a: the #quot;first#quot; (validated)\"]"),
            "{mermaid}"
        );
        assert!(mermaid.contains("t2 --> t1") && mermaid.contains("t1 --> t0"), "{mermaid}");
    }
}
