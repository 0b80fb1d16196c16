//! The report as JUnit XML, which CI systems read.

use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::{
    options::Suite,
    report::{CaseReport, Finding, Report, Verdict},
};

impl Report {
    /// As JUnit XML: a test suite for each suite and a test case for each case. What did not hold is a failure,
    /// what could not be tried an error.
    ///
    /// # Errors
    /// Never in practice: it is written to memory.
    pub fn junit(&self) -> Result<String, quick_junit::SerializeError> {
        let mut all = quick_junit::Report::new("selvedge eval");
        all.set_time(Duration::from_millis(self.elapsed_ms));
        for suite in Suite::ALL {
            let cases: Vec<_> = self.cases.iter().filter(|case| case.suite == *suite).collect();
            if cases.is_empty() {
                continue;
            }
            let mut of_suite = TestSuite::new(format!("selvedge.eval.{suite}"));
            of_suite.set_time(Duration::from_millis(cases.iter().map(|case| case.elapsed_ms).sum()));
            of_suite.add_property(("seed", self.seed.to_string().as_str()));
            of_suite.add_property(("mission", self.mission.as_str()));
            of_suite.add_test_cases(cases.into_iter().map(test_case));
            all.add_test_suite(of_suite);
        }
        all.to_string()
    }
}

fn test_case(case: &CaseReport) -> TestCase {
    let status = match case.verdict {
        Verdict::Held => TestCaseStatus::success(),
        Verdict::Broken => unwell(case, NonSuccessKind::Failure),
        Verdict::Unfinished => unwell(case, NonSuccessKind::Error),
    };
    let mut test = TestCase::new(case.name, status);
    test.set_classname(format!("selvedge.eval.{}", case.suite));
    test.set_time(Duration::from_millis(case.elapsed_ms));
    test.set_system_out(format!("{}; {} trials, for example: {}", case.invariant, case.trials, case.example));
    test
}

fn unwell(case: &CaseReport, kind: NonSuccessKind) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let CaseReport { held, trials, broken, unable, invariant, .. } = case;
    status.set_message(format!(
        "held in {held} of {trials} trials, broken in {broken}, {unable} could not be made: {invariant}"
    ));
    let told = |Finding { trial, tried, seen, .. }: &Finding| format!("trial {trial}: {tried}\n  {seen}\n");
    status.set_description(case.findings.iter().map(told).collect::<String>());
    status
}

#[cfg(test)]
mod tests {
    use crate::report::tests::{case, report};

    #[test]
    fn what_did_not_hold_is_a_failure_and_what_could_not_be_tried_an_error() {
        let xml = report(vec![case(0, 0), case(1, 0), case(0, 2)]).junit().unwrap();
        let count = |part: &str| xml.matches(part).count();
        assert_eq!((count("<testcase "), count("<failure "), count("<error ")), (3, 1, 1), "{xml}");
        assert!(xml.contains("tests=\"3\"") && xml.contains("failures=\"1\""), "{xml}");
        assert!(xml.contains("&lt;a&gt; &amp; b") && !xml.contains('\u{1}'), "{xml}");
        let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
        assert_eq!((read.tests, read.failures, read.errors), (3, 1, 1));
        assert_eq!(read.test_suites[0].test_cases.len(), 3);
    }
}
