//! `selvedge hook check`: what the hook runs.

use std::time::Duration;

use clap::Args;
use selvedge_contracts::{
    fault::{Code, Fault},
    payload::{
        claim::{Claim, Mode},
        lease::{Lease, LeaseList, LeaseState, MAX_CLAIMS},
    },
};
use selvedge_kit::clock::now_ms;

use super::paths::{Touched, staged};
use crate::{
    commands::lease::{Asking, SpaceNamed, Who, leases, left},
    connect::Context,
    exit::{Done, Failure},
    input,
    output::hint,
    repository::Repository,
};

/// Most paths that a refusal names.
const MOST_NAMED: usize = 20;
/// Turns the hook off if it says `off`.
const SWITCH: &str = "SELVEDGE_HOOK";

/// Refuse if the commit being made touches what others hold: what the hook runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge hook check
  SELVEDGE_AGENT=ada git commit -m 'the login page'
  SELVEDGE_HOOK=off git commit -m 'without asking'

It ends with 4 if others hold something that is staged: a file, a folder above it or a glob that covers
it; of a rename, both ends count. What you hold yourself is yours. What others share counts as theirs,
unless you share it too. If the fabric cannot be reached it ends with 6, and no commit is made, unless
--fail-open is given.")]
pub(crate) struct Check {
    #[command(flatten)]
    space: SpaceNamed,
    #[command(flatten)]
    who: Who,
    /// Let the commit pass, with a warning, if the fabric cannot be reached.
    #[arg(long)]
    fail_open: bool,
    /// Longest wait for all answers together.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = input::milliseconds)]
    within: u64,
}

impl Check {
    pub(super) async fn run(self, context: &Context) -> Done {
        if context.environment.get(SWITCH) == Some("off") {
            hint("selvedge: SELVEDGE_HOOK=off: nobody is asked who holds what");
            return Ok(());
        }
        let looked = match self.look_in_time(context).await {
            Err(Failure::Fault(fault)) if is_silence(&fault) && self.fail_open => {
                hint(&format!("selvedge: not known who holds what, and committed all the same: {fault}"));
                return Ok(());
            }
            Err(Failure::Fault(fault)) => Err(unknown(fault)),
            looked => looked,
        };
        match looked? {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    /// [`Check::look`], with one deadline for its many calls.
    async fn look_in_time(&self, context: &Context) -> Result<Option<Fault>, Failure> {
        let within = Duration::from_millis(self.within);
        tokio::time::timeout(within, self.look(context)).await.unwrap_or_else(|_| {
            let message = format!("nobody said within {} who holds what (--within)", left(self.within));
            Err(Fault::unavailable(message).into())
        })
    }

    /// The refusal of the commit, if others hold what it touches.
    async fn look(&self, context: &Context) -> Result<Option<Fault>, Failure> {
        let place = self.space.place()?;
        let touched = staged(&place.repository)?;
        if touched.is_empty() {
            return Ok(None);
        }
        let asking = self.who.agent_or_operator(context).await?;
        let asked = Asked { asking: &asking, space: &place.space };
        let mut taken = Vec::new();
        for batch in touched.chunks(MAX_CLAIMS) {
            if !asked.of_others(batch, Mode::Exclusive).await?.is_empty() {
                taken.extend(asked.each(batch, MOST_NAMED.saturating_sub(taken.len())).await?);
            }
            if taken.len() >= MOST_NAMED {
                break;
            }
        }
        Ok((!taken.is_empty()).then(|| refusal(&asking, &taken)))
    }
}

/// Nobody could be asked, or nobody was told.
fn unknown(fault: Fault) -> Failure {
    let message = format!(
        "cannot ask who holds what, so there is no commit: {}; SELVEDGE_HOOK=off commits without asking",
        fault.message
    );
    Fault { message, ..fault }.into()
}

/// Whether nobody answered, rather than that somebody refused.
fn is_silence(fault: &Fault) -> bool {
    matches!(fault.code, Code::Unavailable | Code::Busy)
}

struct Asked<'a> {
    asking: &'a Asking,
    space: &'a selvedge_contracts::id::SpaceId,
}

/// A path and who holds it.
struct Taken {
    path: String,
    by: Lease,
}

impl Asked<'_> {
    /// The leases that others hold and that stand in the way of whoever writes, or shares, these paths.
    async fn of_others(&self, paths: &[Touched], mode: Mode) -> Result<Vec<Lease>, Fault> {
        let wanted = LeaseList { except: Some(self.asking.me.clone()), ..self.held(paths, mode) };
        leases(&self.asking.client, &wanted).await
    }

    async fn is_mine(&self, path: &Touched) -> Result<bool, Fault> {
        let paths = std::slice::from_ref(path);
        let wanted = LeaseList { holder: Some(self.asking.me.clone()), ..self.held(paths, Mode::Exclusive) };
        Ok(!leases(&self.asking.client, &wanted).await?.is_empty())
    }

    fn held(&self, paths: &[Touched], mode: Mode) -> LeaseList {
        let claims: Vec<Claim> = paths.iter().map(|path| path.claim.clone().with_mode(mode)).collect();
        LeaseList {
            space: Some(self.space.clone()),
            state: Some(LeaseState::Held),
            claims: Some(claims),
            ..LeaseList::default()
        }
    }

    /// Which of these paths others hold; at most `most` of them.
    async fn each(&self, paths: &[Touched], most: usize) -> Result<Vec<Taken>, Fault> {
        let mut taken = Vec::new();
        for path in paths {
            if taken.len() >= most {
                break;
            }
            let this = std::slice::from_ref(path);
            let mut by = self.of_others(this, Mode::Shared).await?;
            if by.is_empty() {
                by = self.of_others(this, Mode::Exclusive).await?;
                if !by.is_empty() && self.is_mine(path).await? {
                    continue; // shared with us
                }
            }
            taken.extend(by.into_iter().map(|by| Taken { path: path.name.clone(), by }));
        }
        Ok(taken)
    }
}

fn refusal(asking: &Asking, taken: &[Taken]) -> Fault {
    let now_ms = now_ms();
    let message = format!(
        "no commit: {} touches what others hold; wait for them, or agree with them and commit again",
        asking.me
    );
    taken.iter().fold(Fault::conflict(message), |fault, Taken { path, by }| {
        let claims: Vec<String> = by.claims.iter().map(ToString::to_string).collect();
        let purpose = if by.purpose.is_empty() { String::new() } else { format!(": {}", by.purpose) };
        let remaining = left(by.remaining_ms(now_ms));
        let line =
            format!("{} holds {} (lease {}, {remaining} left){purpose}", by.holder, claims.join(", "), by.id);
        fault.at(path.clone(), line)
    })
}

/// Whether a work tree is around the current folder, for the verbs that need one.
pub(super) fn repository() -> Result<Repository, Failure> {
    Repository::around(&std::env::current_dir()?)?
        .ok_or_else(|| Failure::usage("there is no git repository around this folder"))
}
