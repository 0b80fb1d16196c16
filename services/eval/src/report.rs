//! What a run found.

use selvedge_contracts::id::Mission;
use serde::Serialize;

use crate::options::Suite;

/// Findings of one case that are told in full.
const MAX_FINDINGS: usize = 20;
/// Longest text of a finding, in characters.
const MAX_SEEN_CHARS: usize = 4_000;

/// How a run or a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every invariant held in every trial.
    Held,
    /// One did not.
    Broken,
    /// Some trials could not be made; none of the others broke anything.
    Unfinished,
}

impl Verdict {
    /// The verdict in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Unfinished => "unfinished",
        }
    }
}

/// What a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether all held.
    pub verdict: Verdict,
    /// What was tried follows from it.
    pub seed: u64,
    /// Trials of each case that were asked for.
    pub trials: u32,
    /// Agents that raced.
    pub agents: u32,
    /// The run's own mission.
    pub mission: Mission,
    /// Why it ended before its last trial, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Its cases, in the order in which they ran.
    pub cases: Vec<CaseReport>,
    /// What was taken back.
    pub taken_back: Vec<String>,
    /// What stays.
    pub stays: Vec<String>,
    /// How long it took, in milliseconds, taking back included.
    pub elapsed_ms: u64,
}

/// What became of one case.
#[derive(Debug, Serialize)]
pub struct CaseReport {
    /// Its suite.
    pub suite: Suite,
    /// Its name.
    pub name: &'static str,
    /// What must hold.
    pub invariant: &'static str,
    /// Whether it did.
    pub verdict: Verdict,
    /// Trials that were to be made.
    pub trials: u32,
    /// Trials in which it held.
    pub held: u32,
    /// Trials in which it did not.
    pub broken: u32,
    /// Trials that could not be made.
    pub unable: u32,
    /// blake3 of what all trials tried: the same for the same seed, trials and agents.
    pub tried_digest: String,
    /// What the first trial tried.
    pub example: String,
    /// The first trials that did not hold or could not be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// A trial that did not end well.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Its number, from 0.
    pub trial: u32,
    /// Whether the invariant did not hold, or it could not be made.
    pub verdict: Verdict,
    /// What was tried.
    pub tried: String,
    /// What was seen.
    pub seen: String,
}

impl CaseReport {
    pub(crate) fn keep(&mut self, mut finding: Finding) {
        match finding.verdict {
            Verdict::Held => self.held += 1,
            Verdict::Broken => self.broken += 1,
            Verdict::Unfinished => self.unable += 1,
        }
        if finding.verdict == Verdict::Held || self.findings.len() >= MAX_FINDINGS {
            return;
        }
        if let Some((end, _)) = finding.seen.char_indices().nth(MAX_SEEN_CHARS) {
            finding.seen.truncate(end);
        }
        self.findings.push(finding);
    }

    pub(crate) fn judge(&mut self) {
        self.verdict = match (self.broken, self.held) {
            (0, held) if held == self.trials => Verdict::Held,
            (0, _) => Verdict::Unfinished,
            _ => Verdict::Broken,
        };
        self.findings.sort_by_key(|finding| finding.trial);
    }
}

impl Report {
    pub(crate) fn judge(&mut self) {
        let any = |verdict| self.cases.iter().any(|case| case.verdict == verdict);
        self.verdict = if any(Verdict::Broken) {
            Verdict::Broken
        } else if any(Verdict::Unfinished) || self.ended.is_some() || self.cases.is_empty() {
            Verdict::Unfinished
        } else {
            Verdict::Held
        };
    }

    /// For people.
    pub fn human(&self) -> String {
        let mut text = String::new();
        let width = self.cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
        let mut suite = None;
        for case in &self.cases {
            if suite != Some(case.suite) {
                suite = Some(case.suite);
                text.push_str(&format!("{}\n", case.suite));
            }
            let mark = match case.verdict {
                Verdict::Held => "✓",
                Verdict::Broken => "✗",
                Verdict::Unfinished => "?",
            };
            let CaseReport { name, held, trials, invariant, elapsed_ms, .. } = case;
            text.push_str(&format!(
                "  {mark} {name:width$}  {held:>4}/{trials:<4} {elapsed_ms:>6} ms  {invariant}\n"
            ));
            for Finding { trial, tried, seen, .. } in &case.findings {
                text.push_str(&format!("      trial {trial}: {tried}\n        {seen}\n"));
            }
        }
        let Self { verdict, seed, trials, agents, mission, elapsed_ms, .. } = self;
        let what = match verdict {
            Verdict::Held => "all held",
            Verdict::Broken => "NOT all held",
            Verdict::Unfinished => "it could not be finished",
        };
        if let Some(ended) = &self.ended {
            text.push_str(&format!("ended early: {ended}\n"));
        }
        let seconds = *elapsed_ms as f64 / 1_000.0;
        text.push_str(&format!(
            "{what}; --seed {seed} --trials {trials} --agents {agents}, {seconds:.1} s\n"
        ));
        text.push_str(&format!("mission {mission}: {}\n", self.taken_back.join(", ")));
        text.push_str(&format!("what stays: {}\n", self.stays.join("; ")));
        text
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn case(broken: u32, unable: u32) -> CaseReport {
        let mut case = CaseReport {
            suite: Suite::Race,
            name: "lease-paths",
            invariant: "none clash",
            verdict: Verdict::Unfinished,
            trials: 3,
            held: 0,
            broken: 0,
            unable: 0,
            tried_digest: "0".to_owned(),
            example: "this".to_owned(),
            findings: Vec::new(),
            elapsed_ms: 1_500,
        };
        for trial in 0..3 {
            let verdict = match trial {
                n if n < broken => Verdict::Broken,
                n if n < broken + unable => Verdict::Unfinished,
                _ => Verdict::Held,
            };
            let (tried, seen) = ("<a> & b".to_owned(), "two held \"src\" \u{1}".to_owned());
            case.keep(Finding { trial, verdict, tried, seen });
        }
        case.judge();
        case
    }

    pub(crate) fn report(cases: Vec<CaseReport>) -> Report {
        let mut report = Report {
            verdict: Verdict::Unfinished,
            seed: 7,
            trials: 3,
            agents: 4,
            mission: Mission::new("eval-1").unwrap(),
            ended: None,
            cases,
            taken_back: vec!["9 agents retired".to_owned()],
            stays: vec!["facts".to_owned()],
            elapsed_ms: 2_000,
        };
        report.judge();
        report
    }

    #[test]
    fn what_did_not_hold_outweighs_what_could_not_be_tried() {
        assert_eq!((case(0, 0).verdict, case(0, 1).verdict), (Verdict::Held, Verdict::Unfinished));
        assert_eq!((case(1, 1).verdict, case(3, 0).verdict), (Verdict::Broken, Verdict::Broken));
        assert_eq!(report(vec![case(0, 0)]).verdict, Verdict::Held);
        assert_eq!(report(vec![case(0, 0), case(0, 1)]).verdict, Verdict::Unfinished);
        assert_eq!(report(vec![case(0, 1), case(1, 0)]).verdict, Verdict::Broken);
        assert_eq!(report(Vec::new()).verdict, Verdict::Unfinished, "nothing was tried");
    }

    #[test]
    fn people_are_told_what_was_tried_and_seen_and_how_to_try_it_again() {
        let text = report(vec![case(1, 0)]).human();
        for part in
            ["✗ lease-paths", "2/3", "trial 0: <a> & b", "two held", "NOT all held; --seed 7", "facts"]
        {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }

    #[test]
    fn findings_are_bounded_and_counted() {
        let mut case = case(0, 0);
        for trial in 0..100 {
            let seen = "ä".repeat(10_000);
            case.keep(Finding { trial, verdict: Verdict::Broken, tried: String::new(), seen });
        }
        assert_eq!((case.broken, case.findings.len()), (100, MAX_FINDINGS));
        assert!(case.findings.iter().all(|finding| finding.seen.chars().count() == MAX_SEEN_CHARS));
    }
}
