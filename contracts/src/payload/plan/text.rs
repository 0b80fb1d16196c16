//! What a plan is about, in texts that can be compared with others'.

use std::collections::HashSet;

use super::{PlanSpec, TaskSpec};
use crate::payload::{
    claim::Claim,
    overlap::{KEPT_DESCRIPTION_BYTES, KEPT_NAMES, KEPT_TITLE_BYTES, MAX_PARTS, Part, Text},
};

/// Most bytes of a plan's own description that count, so that there is room for its tasks.
const OWN_BYTES: usize = KEPT_DESCRIPTION_BYTES / 4;
/// Most bytes that count of one task's title.
const TITLE_BYTES: usize = 128;

impl PlanSpec {
    /// What it is about, as far as overlap looks: its title, the front of its description, the titles of all its
    /// tasks, then their descriptions, a line each, at most [`KEPT_DESCRIPTION_BYTES`]; and the first
    /// [`KEPT_NAMES`] paths that its tasks reserve, each once. Two plans in other words, or with mostly the same
    /// tasks, look alike by it.
    pub fn text(&self) -> Text {
        let own = std::iter::once(front(&self.description, OWN_BYTES));
        let titles = self.tasks.iter().map(|task| front(&task.title, TITLE_BYTES));
        let descriptions = self.tasks.iter().map(|task| task.description.as_str());
        Text {
            title: self.title.clone(),
            description: lines(own.chain(titles).chain(descriptions)),
            paths: paths(&self.tasks),
            artifacts: Vec::new(),
        }
    }

    /// Its first [`MAX_PARTS`] tasks, each for itself, as far as overlap looks: title, the front of its description,
    /// and the first [`KEPT_NAMES`] paths that it reserves.
    pub fn parts(&self) -> Vec<Part> {
        let part = |task: &TaskSpec| Part { name: task.id.to_string(), text: task.text() };
        self.tasks.iter().take(MAX_PARTS).map(part).collect()
    }
}

impl TaskSpec {
    fn text(&self) -> Text {
        Text {
            title: front(&self.title, KEPT_TITLE_BYTES).to_owned(),
            description: front(&self.description, KEPT_DESCRIPTION_BYTES).to_owned(),
            paths: paths(std::slice::from_ref(self)),
            artifacts: Vec::new(),
        }
    }
}

/// The parts that say something, a line each, as many as are kept.
fn lines<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(front(part, KEPT_DESCRIPTION_BYTES.saturating_sub(text.len())));
        if text.len() >= KEPT_DESCRIPTION_BYTES {
            break;
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// What the tasks reserve that is a path or a pattern of paths.
fn paths(tasks: &[TaskSpec]) -> Vec<String> {
    let claims = tasks.iter().flat_map(|task| &task.reserve).flat_map(|reserved| &reserved.claims);
    let named = claims.filter_map(|claim| match claim {
        Claim::Path { path, .. } | Claim::File { path, .. } => Some(path),
        Claim::Glob { glob, .. } | Claim::Files { glob, .. } => Some(glob),
        Claim::Resource { .. } | Claim::Slots { .. } => None,
    });
    let mut seen = HashSet::new();
    named.filter(|name| seen.insert(*name)).take(KEPT_NAMES).cloned().collect()
}

fn front(text: &str, most_bytes: usize) -> &str {
    let end = (0..=most_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(plan: Value) -> Text {
        serde_json::from_value::<PlanSpec>(plan).unwrap().text()
    }

    #[test]
    fn a_plan_is_about_the_titles_of_its_tasks_before_their_descriptions() {
        let found = text(json!({
            "title": "Login", "description": "Nobody gets in", "tasks": [
                { "id": "a", "title": "Fix the form", "description": "It loses the password",
                  "reserve": [{ "space": "shop", "claims": [{ "path": "src/login" }, { "resource": "port-80" }] }] },
                { "id": "b", "title": "Test the form", "reserve": [{ "space": "shop", "claims": [
                    { "file": "src/main.rs" }, { "glob": "docs/*.md" }, { "path": "src/login" },
                    { "pool": "gpu", "slots": 1 }] }] },
            ],
        }));
        assert_eq!(found.title, "Login");
        assert_eq!(found.description, "Nobody gets in\nFix the form\nTest the form\nIt loses the password");
        assert_eq!(found.paths, ["src/login", "src/main.rs", "docs/*.md"]);
    }

    #[test]
    fn however_long_a_plan_is_its_tasks_are_heard_of() {
        let task = |n: usize| json!({ "id": format!("t{n}"), "title": format!("task {n}"), "description": "ä".repeat(900) });
        let tasks: Vec<_> = (0..100).map(task).collect();
        let found = text(json!({ "title": "t", "description": "ä".repeat(5_000), "tasks": tasks }));
        assert!(found.description.len() <= KEPT_DESCRIPTION_BYTES, "{}", found.description.len());
        assert!(found.description.ends_with('ä') && found.description.contains("task 99"), "{found:?}");
        let reserve: Vec<_> = (0..60).map(|n| json!({ "path": format!("p{n}") })).collect();
        let tasks = json!([{ "id": "a", "title": "\n ", "reserve": [{ "space": "s", "claims": reserve }] }]);
        let found = text(json!({ "title": "t", "tasks": tasks }));
        assert_eq!((found.description.as_str(), found.paths.len()), ("", KEPT_NAMES));
    }

    #[test]
    fn each_task_is_also_a_text_of_its_own_and_there_are_only_so_many() {
        let task = |n: usize| {
            json!({ "id": format!("t{n}"), "title": format!("task {n}"),
            "description": "ä".repeat(1_500), "reserve": [{ "space": "s", "claims": [{ "path": format!("p{n}") }] }] })
        };
        let tasks: Vec<_> = (0..MAX_PARTS + 1).map(task).collect();
        let plan: PlanSpec = serde_json::from_value(json!({ "title": "t", "tasks": tasks })).unwrap();
        let parts = plan.parts();
        assert_eq!(parts.len(), MAX_PARTS);
        let Part { name, text } = &parts[7];
        assert_eq!(
            (name.as_str(), text.title.as_str(), text.paths.as_slice()),
            ("t7", "task 7", &["p7".to_owned()][..])
        );
        assert_eq!(text.description.len(), KEPT_DESCRIPTION_BYTES);
    }
}
