//! `selvedge policy validate` and `selvedge policy test`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    payload::{
        intent::Requirement,
        policy::{
            CaseResult, Expected, PolicyCase, PolicyFindings, PolicyTest, PolicyTested, PolicyValidate,
        },
    },
};
use selvedge_kit::client::Client;

use super::finding::shown;
use crate::{
    commands::lease::asking::Who,
    connect::Context,
    exit::{Done, Failure},
    input,
    output::hint,
};

/// Hold a policy text against the schema; exit code 2 if it has errors.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy validate deploy/policies/example.cedar
  selvedge policy validate - -o json <rules.cedar

Every finding has its file, line and column, and the line it stands in. Warnings are no errors.
`selvedge policy schema` shows what a policy may speak of.")]
pub(crate) struct Validate {
    /// File with the Cedar text, or - for standard input.
    file: PathBuf,
    #[command(flatten)]
    who: Who,
}

impl Validate {
    pub(super) async fn run(self, context: &Context) -> Done {
        let (name, text) = (self.file.display().to_string(), input::text(&self.file)?);
        let client = self.who.anybody(context).await?.client;
        let validated = validate(&client, &name, &text).await?;
        context.output.print(&validated.findings, |findings| match findings.findings.is_empty() {
            true => format!("{name} is sound"),
            false => validated.shown.clone(),
        })?;
        match validated.findings.valid {
            true => Ok(()),
            false => Err(Fault::invalid(format!("{name} has errors")).into()),
        }
    }
}

/// What there is to be said about a text.
pub(super) struct Validated {
    findings: PolicyFindings,
    shown: String,
}

impl Validated {
    /// Tells a person what there is; refuses if something is an error.
    pub(super) fn settle(self, refusal: impl FnOnce() -> String) -> Done {
        if !self.shown.is_empty() {
            hint(self.shown.trim_end());
        }
        if self.findings.valid { Ok(()) } else { Err(Fault::invalid(refusal()).into()) }
    }
}

/// Has a text checked.
pub(super) async fn validate(client: &Client, name: &str, text: &str) -> Result<Validated, Failure> {
    let wanted = PolicyValidate { text: text.to_owned() };
    let findings = client.call::<call::PolicyValidate>(&wanted).await?.reply;
    let shown = findings.findings.iter().map(|finding| shown(name, text, finding)).collect();
    Ok(Validated { findings, shown })
}

/// Decide stated cases, and hold what comes out against what is expected; exit code 1 if they differ.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge policy test deploy/policies/example.cedar deploy/policies/example.cases.json
  selvedge policy test 3 cases.json --mission demo
  selvedge policy test active cases.json --mission demo -o jsonl

The cases are a JSON array:
  [{\"name\": \"docs need nobody\", \"agent\": \"ada-1a2b3c4d\", \"role\": \"worker\",
    \"effect\": {\"kind\": \"memory\", \"key\": \"notes/today\", \"value\": 1, \"revision\": 0},
    \"expect\": {\"allow\": true, \"requirement\": {\"approvals\": 0, \"role\": \"approver\"}}}]
A requirement that is left out is not compared. Nothing is done, and nothing recorded.")]
pub(crate) struct Test {
    /// File with the Cedar text, or - for standard input; or a version's number; or `active` for what is in
    /// force, also if that is no policy.
    policy: String,
    /// File with the cases.
    cases: PathBuf,
    #[command(flatten)]
    who: Who,
}

impl Test {
    pub(super) async fn run(self, context: &Context) -> Done {
        let cases = self.cases()?;
        let wanted = match (self.policy.as_str(), self.policy.parse()) {
            ("active", _) => PolicyTest { text: None, version: None, cases },
            (_, Ok(version)) => PolicyTest { text: None, version: Some(version), cases },
            (file, Err(_)) => PolicyTest { text: Some(input::text(file.as_ref())?), version: None, cases },
        };
        let client = self.who.anybody(context).await?.client;
        if let Some(text) = &wanted.text {
            let validated = validate(&client, &self.policy, text).await?;
            validated.settle(|| format!("{} has errors", self.policy))?;
        }
        let tested = client.call::<call::PolicyTest>(&wanted).await?.reply;
        context.output.print(&tested, report)?;
        match tested.cases.iter().filter(|case| !case.passed).count() {
            0 => Ok(()),
            failed => {
                Err(anyhow::anyhow!("{failed} of {} cases came out otherwise", tested.cases.len()).into())
            }
        }
    }

    fn cases(&self) -> Result<Vec<PolicyCase>, Failure> {
        let name = self.cases.display();
        let json = input::json(&self.cases)?;
        serde_json::from_value(json)
            .map_err(|error| Failure::usage(format!("{name} holds no cases: {error}")))
    }
}

fn report(tested: &PolicyTested) -> String {
    let failed = tested.cases.iter().filter(|case| !case.passed).count();
    let cases: String = tested.cases.iter().map(one).collect();
    format!("{cases}{} cases, {failed} of them otherwise than expected", tested.cases.len())
}

fn one(case: &CaseResult) -> String {
    let verdict = if case.passed { "ok  " } else { "FAIL" };
    let by = if case.rules.is_empty() { String::new() } else { format!(" by {}", case.rules.join(", ")) };
    let (expected, actual) = (decision(&case.expected), decision(&case.actual));
    let errors: String = case.errors.iter().map(|error| format!("      error: {error}\n")).collect();
    format!("{verdict}  {}\n      expected: {expected}\n      actual:   {actual}{by}\n{errors}", case.name)
}

fn decision(decided: &Expected) -> String {
    match (decided.allow, &decided.requirement) {
        (false, _) => "not allowed".to_owned(),
        (true, None) => "allowed".to_owned(),
        (true, Some(Requirement { approvals, role, expires_after_ms })) => {
            let time = expires_after_ms.map(std::time::Duration::from_millis).map(humantime::format_duration);
            let time = time.map_or_else(String::new, |time| format!(", within {time}"));
            match approvals {
                0 => format!("allowed without approval{time}"),
                1 => format!("allowed with 1 approval by role {role}{time}"),
                n => format!("allowed with {n} approvals by role {role}{time}"),
            }
        }
    }
}
