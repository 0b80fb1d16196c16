//! Plans, tasks and letters as people name them: by their ids, or by what the hex digits of ids start with.

use std::{fmt, str::FromStr};

use selvedge_contracts::{
    call,
    fault::Fault,
    id::PlanId,
    payload::plan::{PlanLine, PlanList},
};
use selvedge_kit::client::Client;

use crate::{exit::Failure, paging};

/// Fewest hex digits by which an id may be named.
const FEWEST: usize = 8;
/// Hex digits that people are shown.
const SHOWN: usize = 12;

/// The first hex digits of an id of a sort.
///
/// # Errors
/// Says what is expected.
pub(in crate::commands) fn prefix(text: &str, sort: &str) -> Result<String, String> {
    let hex = text.strip_prefix(sort).and_then(|rest| rest.strip_prefix('_')).unwrap_or(text);
    let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex && (FEWEST..=64).contains(&hex.len()) {
        return Ok(hex.to_owned());
    }
    Err(format!("{text:?} is no {sort}: expected its id, or the first {FEWEST} or more hex digits of it"))
}

/// What people are shown of an id: its sort and its first hex digits.
pub(crate) fn short(id: &str) -> String {
    let hex = id.split_once('_').map_or(id, |(_, hex)| hex);
    hex.chars().take(SHOWN).collect()
}

/// A plan as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct PlanNamed(String);

impl FromStr for PlanNamed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        prefix(text, "plan").map(Self)
    }
}

impl fmt::Display for PlanNamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..SHOWN).unwrap_or(&self.0))
    }
}

impl PlanNamed {
    /// The one plan that is meant.
    ///
    /// # Errors
    /// `not_found` if there is none, [`Failure::Usage`] if there are several.
    pub(in crate::commands) async fn find(&self, client: &Client) -> Result<PlanId, Failure> {
        if let Ok(id) = PlanId::new(&format!("plan_{}", self.0)) {
            return Ok(id);
        }
        let ask = async |after| {
            let wanted = PlanList { after, ..PlanList::default() };
            let reply = client.call::<call::PlanList>(&wanted).await?.reply;
            Ok((reply.plans, reply.more))
        };
        let all = paging::all(|line: &PlanLine| line.id.clone(), ask).await?;
        let mut found = all.into_iter().map(|line| line.id);
        let mut meant = found.by_ref().filter(|id| short_of(id.as_str()).starts_with(&self.0));
        match (meant.next(), meant.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                Err(Failure::usage(format!("several plans start with {}: say more digits", self.0)))
            }
            (None, _) => Err(Fault::not_found(format!("no plan starts with {}", self.0)).into()),
        }
    }
}

fn short_of(id: &str) -> &str {
    id.split_once('_').map_or(id, |(_, hex)| hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_named_by_its_id_or_what_it_starts_with() {
        let digits = "0a1b2c3d".repeat(8);
        assert_eq!(format!("plan_{digits}").parse::<PlanNamed>(), Ok(PlanNamed(digits.clone())));
        assert_eq!("0a1b2c3d".parse::<PlanNamed>(), Ok(PlanNamed("0a1b2c3d".to_owned())));
        for bad in ["", "0a1b2c3", "plan_x", "task_0a1b2c3d", "0A1B2C3D"] {
            assert!(bad.parse::<PlanNamed>().is_err(), "{bad}");
        }
        assert_eq!(short(&format!("plan_{digits}")), "0a1b2c3d0a1b");
    }
}
