//! Thresholds from decisions: which scores were followed by a merge, and which were not.

use serde::{Deserialize, Serialize};

use crate::fusion::Thresholds;

/// Fewer decisions, or fewer merges among them, say nothing.
const DECISIONS: usize = 30;
/// As [`DECISIONS`], of merges.
const MERGES: usize = 10;

/// A decision that was made about a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The candidate's score; thousandths.
    pub score: u16,
    /// Whether it was held for the same, and merged or discarded.
    pub merged: bool,
}

/// What a threshold would have done to the decisions; shares in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Scores from here on raise an alert.
    pub threshold: u16,
    /// Merges that would have been seen.
    pub caught: u16,
    /// Others that would have raised an alert.
    pub alerts: u16,
    /// Alerts that would have been merges.
    pub precision: u16,
}

/// The curve, and what it proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// One point for each score that was seen, lowest first.
    pub curve: Vec<Point>,
    /// Thresholds that fit; nothing while there are too few decisions to tell.
    pub proposed: Option<Thresholds>,
}

/// What share of alerts must be merges for each level, and which share of merges the lowest must catch; in
/// thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Goals {
    /// Precision from which on a candidate is `strong`.
    pub strong: u16,
    /// Precision from which on it is `likely`.
    pub likely: u16,
    /// Share of merges that `similar` must catch.
    pub similar: u16,
}

impl Default for Goals {
    fn default() -> Self {
        Self { strong: 900, likely: 500, similar: 950 }
    }
}

/// The curve of these decisions, and the thresholds that reach the goals.
pub fn calibrate(decisions: &[Decision], goals: Goals) -> Calibration {
    let curve = curve(decisions);
    let merges = decisions.iter().filter(|decision| decision.merged).count();
    let enough = decisions.len() >= DECISIONS && merges >= MERGES;
    let proposed = enough.then(|| propose(&curve, goals));
    Calibration { curve, proposed }
}

fn curve(decisions: &[Decision]) -> Vec<Point> {
    let mut sorted = decisions.to_vec();
    sorted.sort_unstable_by_key(|decision| decision.score);
    let all_merged = sorted.iter().filter(|decision| decision.merged).count();
    let all_others = sorted.len() - all_merged;
    let (mut merged, mut others) = (all_merged, all_others);
    let mut curve = Vec::new();
    for same in sorted.chunk_by(|one, other| one.score == other.score) {
        curve.extend(same.first().map(|decision| Point {
            threshold: decision.score,
            caught: thousandths(merged, all_merged),
            alerts: thousandths(others, all_others),
            precision: thousandths(merged, merged + others),
        }));
        let below = same.iter().filter(|decision| decision.merged).count();
        merged -= below;
        others -= same.len() - below;
    }
    curve
}

fn thousandths(part: usize, whole: usize) -> u16 {
    u16::try_from(part * 1000 / whole.max(1)).unwrap_or(1000)
}

/// The lowest threshold from which on every higher one is precise enough, too: one lucky score proposes nothing.
fn propose(curve: &[Point], goals: Goals) -> Thresholds {
    let precise = |goal: u16| {
        let enough = curve.iter().rev().take_while(|point| point.precision >= goal);
        enough.last().map_or(1001, |point| point.threshold)
    };
    let catching = curve.iter().rev().find(|point| point.caught >= goals.similar);
    let similar = catching.map_or(0, |point| point.threshold);
    let likely = precise(goals.likely).max(similar);
    Thresholds { strong: precise(goals.strong).max(likely), likely, similar }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions() -> Vec<Decision> {
        let merged = |score: u16| match score {
            0..400 => false,
            400..700 => !score.is_multiple_of(20),
            _ => true,
        };
        (0..1000).step_by(10).map(|score| Decision { score, merged: merged(score) }).collect()
    }

    #[test]
    fn the_curve_falls_from_everything_to_nothing() {
        let Calibration { curve, .. } = calibrate(&decisions(), Goals::default());
        let first = curve.first().unwrap();
        assert_eq!((first.threshold, first.caught, first.alerts, first.precision), (0, 1000, 1000, 450));
        let last = curve.last().unwrap();
        assert_eq!((last.threshold, last.caught, last.alerts, last.precision), (990, 22, 0, 1000));
        assert!(curve.is_sorted_by(|one, other| one.caught >= other.caught && one.alerts >= other.alerts));
    }

    #[test]
    fn proposed_thresholds_reach_their_goals() {
        let calibration = calibrate(&decisions(), Goals::default());
        let proposed = calibration.proposed.unwrap();
        let at = |threshold| *calibration.curve.iter().find(|point| point.threshold == threshold).unwrap();
        assert!(at(proposed.strong).precision >= 900);
        assert!(at(proposed.likely).precision >= 500);
        assert!(at(proposed.similar).caught >= 950);
        assert!(proposed.similar <= proposed.likely && proposed.likely < proposed.strong);
    }

    #[test]
    fn few_decisions_propose_nothing() {
        assert_eq!(calibrate(&decisions()[..29], Goals::default()).proposed, None);
        let none_merged = vec![Decision { score: 900, merged: false }; 100];
        assert_eq!(calibrate(&none_merged, Goals::default()).proposed, None);
        assert_eq!(calibrate(&[], Goals::default()).curve, []);
    }
}
