//! `selvedge lease check`.

use std::str::FromStr;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::LeaseId,
    payload::lease::{Check as Request, Checked, Standing, Verdict},
};
use selvedge_kit::clock::now_ms;

use super::{SpaceNamed, Who, left};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::{name, table},
};

/// Check whether fencing tokens still count; ends with 4 if one does not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease check lease_0a1b2c3d4e5f6071=1793268000000042
  selvedge lease check lease_0a1b2c3d4e5f6071=1793268000000042 --space shop -o json

Inside `selvedge lease hold` the lease and its token are known: `selvedge lease check` is enough.")]
pub(crate) struct Check {
    /// Leases and the tokens shown for them.
    #[arg(value_name = "LEASE=TOKEN")]
    tokens: Vec<Shown>,
    /// The lease, if none is named as LEASE=TOKEN.
    #[arg(long, env = "SELVEDGE_LEASE")]
    lease: Option<LeaseId>,
    /// Its token.
    #[arg(long, env = "SELVEDGE_LEASE_TOKEN")]
    token: Option<u64>,
    #[command(flatten)]
    space: SpaceNamed,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown(Checked);

impl FromStr for Shown {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (lease, token) = text.split_once('=').ok_or("expected LEASE=TOKEN")?;
        let lease = LeaseId::new(lease).map_err(|error| error.to_string())?;
        let token = token.parse().map_err(|_| format!("{token:?} is no token: expected a number"))?;
        Ok(Self(Checked { lease, token }))
    }
}

impl Check {
    pub(super) async fn run(self, context: &Context) -> Done {
        let mut tokens: Vec<Checked> = self.tokens.into_iter().map(|shown| shown.0).collect();
        if let (true, Some(lease), Some(token)) = (tokens.is_empty(), self.lease, self.token) {
            tokens.push(Checked { lease, token });
        }
        if tokens.is_empty() {
            return Err(Failure::usage("nothing is to be checked: say LEASE=TOKEN"));
        }
        let space = self.space.space()?;
        let asking = self.who.anybody(context).await?;
        let wanted = Request { space, tokens };
        let reply = asking.client.call::<call::LeaseCheck>(&wanted).await?.reply;
        context.output.print_all(&reply.verdicts, |verdicts| {
            let rows: Vec<_> = verdicts.iter().map(row).collect();
            table(["lease", "token", "standing", "holder", "left"], &rows, "nothing")
        })?;
        let lost = reply.verdicts.iter().filter(|verdict| verdict.standing != Standing::Valid).count();
        if lost > 0 {
            let all = reply.verdicts.len();
            return Err(Fault::conflict(format!("{lost} of {all} tokens do not count")).into());
        }
        Ok(())
    }
}

fn row(verdict: &Verdict) -> [String; 5] {
    let now = verdict.now.as_ref();
    [
        verdict.lease.to_string(),
        verdict.token.to_string(),
        name(&verdict.standing),
        now.map_or_else(String::new, |lease| lease.holder.to_string()),
        now.map_or_else(String::new, |lease| left(lease.remaining_ms(now_ms()))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_is_a_lease_and_its_token() {
        let Shown(checked) = "lease_01=7".parse().unwrap();
        assert_eq!((checked.lease.as_str(), checked.token), ("lease_01", 7));
        for bad in ["lease_01", "lease_01=x", "01=7", "lease_01=-1", "="] {
            assert!(bad.parse::<Shown>().is_err(), "{bad}");
        }
    }
}
