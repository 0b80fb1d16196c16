//! `selvedge overlap check`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    id::KindName,
    payload::{
        overlap::{Alert, Check as Wanted, CheckAll, CheckAllReply, Checked, Level, MAX_TEXTS, Text},
        plan::PlanSpec,
    },
};
use serde_json::Value;

use super::shown;
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::{ALIKE, Done, Failure},
    input,
    output::{table, visible_line},
};

/// Check what already exists, or is on its way, that looks like this. Writes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge overlap check --title 'Fix the login form' --description 'It loses the password'
  selvedge overlap check --title 'Rework login' --path src/login.rs --artifact research/auth --as ada
  selvedge overlap check --file plan.yaml --fail-at likely
  jq .tasks plan.json | selvedge overlap check --file - -o json

A file holds JSON or YAML: a plan (contract plan/1, as for `plan submit`), a list of items, or an object with one under
`tasks`: each a text, or an object with a `title`
and, if wanted, `description`, `paths` and `artifacts`; what else stands there is not looked at. Its items are
compared with each other too. With --fail-at the exit code is 17 if something that much alike was found.")]
pub(crate) struct Check {
    /// In a line, what is to be created.
    #[arg(long, required_unless_present = "file", conflicts_with = "file")]
    title: Option<String>,
    /// The rest.
    #[arg(long, default_value = "", conflicts_with = "file")]
    description: String,
    /// A path that it is about; repeat for more.
    #[arg(long = "path", value_name = "PATH", conflicts_with = "file")]
    paths: Vec<String>,
    /// The name of an artifact that it makes or changes; repeat for more.
    #[arg(long = "artifact", value_name = "NAME", conflicts_with = "file")]
    artifacts: Vec<String>,
    /// A file with several, or - for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only candidates of this kind: plan, task, artifact, intent, or one of the mission's own.
    #[arg(long, value_name = "KIND", conflicts_with = "file")]
    what: Option<KindName>,
    /// Most candidates.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=48))]
    limit: Option<u32>,
    /// Only from this score on, in thousandths; else what the mission counts as similar.
    #[arg(long, value_name = "SCORE", value_parser = clap::value_parser!(u16).range(0..=1000))]
    at_least: Option<u16>,
    /// End with code 17 if something at this level or above was found: similar, likely or strong.
    #[arg(long, value_name = "LEVEL", value_parser = alert)]
    fail_at: Option<Alert>,
    #[command(flatten)]
    who: Who,
}

/// A level that is asked about, as people write it.
pub(super) fn alert(text: &str) -> Result<Alert, String> {
    serde_json::from_value(Value::String(text.to_owned()))
        .map_err(|_| format!("{text:?} is no level: expected similar, likely, strong or off"))
}

impl Check {
    pub(super) async fn run(self, context: &Context) -> Done {
        match &self.file {
            Some(file) => {
                let (names, texts) = named(input::document(file)?, &file.display().to_string())?;
                self.all(context, &names, texts).await
            }
            None => self.one(context).await,
        }
    }

    async fn one(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let wanted = Wanted {
            title: self.title.unwrap_or_default(),
            description: self.description,
            paths: self.paths,
            artifacts: self.artifacts,
            what: self.what,
            limit: self.limit,
            at_least: self.at_least,
        };
        let found = asking.client.call::<call::OverlapCheck>(&wanted).await?.reply;
        context.output.print(&found, shown::checked)?;
        settle(self.fail_at, levels(std::slice::from_ref(&found)))
    }

    async fn all(self, context: &Context, names: &[String], texts: Vec<Text>) -> Done {
        let asking = self.who.anybody(context).await?;
        let wanted = CheckAll { texts, limit: self.limit, at_least: self.at_least };
        let found = asking.client.call::<call::OverlapCheckAll>(&wanted).await?.reply;
        context.output.print(&found, |found| human(found, names, &wanted.texts))?;
        let among = found.pairs.iter().filter_map(|pair| pair.level);
        settle(self.fail_at, levels(&found.checked).chain(among))
    }
}

fn levels(checked: &[Checked]) -> impl Iterator<Item = Level> {
    checked.iter().flat_map(|checked| checked.candidates.iter().filter_map(|found| found.level))
}

fn settle(fail_at: Option<Alert>, mut found: impl Iterator<Item = Level>) -> Done {
    match fail_at {
        Some(alert) if found.any(|level| alert.is_raised_by(level)) => Err(Failure::Ended(ALIKE)),
        _ => Ok(()),
    }
}

/// The items of a file, each with its name: of a plan, its tasks as they are proposed, by their ids; else their places.
fn named(json: Value, name: &str) -> Result<(Vec<String>, Vec<Text>), Failure> {
    if let Ok(plan) = serde_json::from_value::<PlanSpec>(json.clone()) {
        return Ok(plan.parts().into_iter().map(|part| (part.name, part.text)).unzip());
    }
    let texts = texts(json, name)?;
    Ok(((0..texts.len()).map(|at| at.to_string()).collect(), texts))
}

/// The items of a file.
fn texts(json: Value, name: &str) -> Result<Vec<Text>, Failure> {
    let items = match json {
        Value::Array(items) => items,
        Value::Object(mut fields) => match fields.remove("tasks") {
            Some(Value::Array(items)) => items,
            _ => return Err(Failure::usage(format!("{name} has no list `tasks`"))),
        },
        _ => return Err(Failure::usage(format!("{name} is no list of items, nor an object with `tasks`"))),
    };
    if items.is_empty() || items.len() > MAX_TEXTS {
        let count = items.len();
        return Err(Failure::usage(format!("{name} has {count} items: expected 1 to {MAX_TEXTS}")));
    }
    items.into_iter().enumerate().map(|(at, item)| text(item, at, name)).collect()
}

fn text(item: Value, at: usize, name: &str) -> Result<Text, Failure> {
    let wrong = |what: &str| Failure::usage(format!("{name}: item {at} {what}"));
    let mut fields = match item {
        Value::String(title) => return Ok(Text { title, ..Text::default() }),
        Value::Object(fields) => fields,
        _ => return Err(wrong("is neither a text nor an object")),
    };
    let mut names = |field: &str| match fields.remove(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(value) => serde_json::from_value(value)
            .map_err(|_| wrong(&format!("has `{field}` that is no list of texts"))),
    };
    let (paths, artifacts) = (names("paths")?, names("artifacts")?);
    let mut text = |field: &str| match fields.remove(field) {
        Some(Value::String(text)) => Ok(Some(text)),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(wrong(&format!("has `{field}` that is no text"))),
    };
    let title = text("title")?.ok_or_else(|| wrong("has no `title`"))?;
    Ok(Text { title, description: text("description")?.unwrap_or_default(), paths, artifacts })
}

fn human(found: &CheckAllReply, names: &[String], texts: &[Text]) -> String {
    let title = |at: usize| {
        let text = names.get(at).zip(texts.get(at));
        text.map_or_else(String::new, |(name, text)| format!("{name}: {}", visible_line(&text.title)))
    };
    let mut shown = String::new();
    for (at, checked) in found.checked.iter().enumerate() {
        shown += &format!("{}\n{}\n\n", title(at), shown::candidates(&checked.candidates).trim_end());
    }
    let rows: Vec<_> = found
        .pairs
        .iter()
        .map(|pair| {
            [
                shown::share(pair.score),
                shown::level(pair.level),
                shown::line(&title(pair.one as usize)),
                shown::line(&title(pair.other as usize)),
                shown::reasons(&pair.reasons),
            ]
        })
        .collect();
    let none = "no two of them look like each other";
    shown + &table(["score", "level", "one", "other", "why"], &rows, none)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_a_list_or_has_one_under_tasks() {
        let list =
            json!(["Fix it", { "title": "Test it", "description": "all", "paths": ["a"], "owner": 7 }]);
        let read = texts(list.clone(), "f").unwrap();
        assert_eq!((read[0].title.as_str(), read[1].paths.as_slice()), ("Fix it", &["a".to_owned()][..]));
        assert_eq!(texts(json!({ "title": "plan", "tasks": list }), "f").unwrap(), read);
        for (bad, says) in [
            (json!({}), "no list `tasks`"),
            (json!(7), "no list of items"),
            (json!([]), "expected 1 to 200"),
            (json!(vec!["x"; 201]), "201 items"),
            (json!([7]), "item 0 is neither"),
            (json!(["a", {}]), "item 1 has no `title`"),
            (json!([{ "title": 7 }]), "`title` that is no text"),
            (json!([{ "title": "a", "paths": "b" }]), "`paths` that is no list"),
        ] {
            let failure = texts(bad, "plan.json").unwrap_err().to_string();
            assert!(failure.contains(says) && failure.contains("plan.json"), "{failure}");
        }
    }

    #[test]
    fn of_a_plan_each_task_is_looked_at_as_it_will_be_proposed() {
        let plan = json!({ "title": "p", "tasks": [
            { "id": "form", "title": "Fix it", "queue": "default",
                "reserve": [{ "space": "shop", "claims": [{ "path": "src/login" }] }] },
            { "id": "docs", "title": "Write it down", "description": "all" },
        ] });
        let (names, texts) = named(plan, "plan.json").unwrap();
        assert_eq!(names, ["form", "docs"]);
        assert_eq!(
            (texts[0].paths.as_slice(), texts[1].description.as_str()),
            (&["src/login".to_owned()][..], "all")
        );
        assert_eq!(named(json!(["a", "b"]), "f").unwrap().0, ["0", "1"]);
    }

    #[test]
    fn what_is_alike_enough_ends_with_its_own_code() {
        let found = [Level::Similar, Level::Opposite];
        let ends = |fail_at| settle(fail_at, found.into_iter()).is_err();
        assert!(ends(Some(Alert::Similar)) && !ends(Some(Alert::Likely)) && !ends(None));
        assert_eq!((alert("strong"), alert("off")), (Ok(Alert::Strong), Ok(Alert::Off)));
        assert!(alert("opposite?").is_err());
    }
}
