//! Repositories elsewhere: what is needed of them is fetched into a copy, commits are built there, and pushed
//! together with their intents' references, all or nothing.
//!
//! The record is the remote: a commit is done when it is reachable from the branch there. Every reference is
//! pushed with what it was seen at, so a push that comes late changes nothing. A refusal that an attempt
//! before might still overtake first moves the intent's reference, which that attempt's push would have to
//! find unmoved.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use git2::{Oid, Repository};
use selvedge_kit::clock::Deadline;

use super::{
    cli::{self, Said},
    core::{
        ASKED, Attempt, BUILT, Chain, FETCHED, LOOKED, Order, PUSHED, Stop, Verdict, all_may_act, chain,
        intent_ref, named, pending, settled,
    },
};
use selvedge_kit::steps::Steps;

/// Most pushes of one order before it is left for later.
const MOST_PUSHES: u32 = 4;
/// Longest that git may take for one thing, in milliseconds.
const COMMAND_MS: u64 = 25_000;
/// Most copies of one repository: as many processes may use it at once.
const MOST_COPIES: u32 = 64;

/// A repository elsewhere, and this process's copy of it.
pub(crate) struct Remote {
    url: String,
    folder: PathBuf,
    copy: Repository,
    /// Held while the copy is in use.
    _lock: File,
}

impl Remote {
    /// Opens a copy that no other process uses, or makes one.
    ///
    /// # Errors
    /// Why that cannot be done here.
    pub(crate) fn open(url: &str, copies: &Path, deadline: Deadline) -> Result<Self, String> {
        cli::check(deadline)?;
        let name: String = blake3::hash(url.as_bytes()).to_hex().chars().take(32).collect();
        let all = copies.join(name);
        let cannot = |error: io::Error| format!("cannot use the copies in {}: {error}", all.display());
        fs::create_dir_all(&all).map_err(cannot)?;
        for number in 0..MOST_COPIES {
            let lock = File::create(all.join(format!("{number}.lock"))).map_err(cannot)?;
            if lock.try_lock().is_err() {
                continue;
            }
            let folder = all.join(format!("{number}.git"));
            let copy = Repository::init_bare(&folder).map_err(|error| error.message().to_owned())?;
            // Whoever made them is dead: the copy was free.
            clear_locks(&folder.join("refs")).map_err(cannot)?;
            return Ok(Self { url: url.to_owned(), folder, copy, _lock: lock });
        }
        Err(format!("all {MOST_COPIES} copies in {} are in use", all.display()))
    }

    /// Whether the remote can be read and pushed to, all or nothing.
    ///
    /// # Errors
    /// What is wrong, in git's words.
    pub(crate) fn check(&self, deadline: Deadline) -> Result<(), String> {
        let read = self.git(&["ls-remote", "--quiet", "--", &self.url], deadline)?;
        if !read.is_well {
            return Err(format!("it cannot be read: {}", read.reason()));
        }
        let probe = self.probe().map_err(|error| error.message().to_owned())?;
        let target = format!("{probe}:{}", intent_ref("probe"));
        let push = ["push", "--dry-run", "--atomic", "--porcelain", "--no-verify", "--", &self.url, &target];
        let pushed = self.git(&push, deadline)?;
        if pushed.is_well {
            return Ok(());
        }
        if pushed.stderr.contains("does not support --atomic") {
            return Err(
                "it cannot take several references at once or none (atomic push), so a commit could be \
                        recorded by half; use a server that can"
                    .to_owned(),
            );
        }
        Err(format!("it cannot be pushed to: {}", pushed.reason()))
    }

    /// A commit of nothing, to push for show.
    fn probe(&self) -> Result<Oid, git2::Error> {
        let tree = self.copy.find_tree(self.copy.treebuilder(None)?.write()?)?;
        let nobody = git2::Signature::new("selvedge", "committer@selvedge.invalid", &git2::Time::new(0, 0))?;
        self.copy.commit(None, &nobody, &nobody, "probe", &tree, &[])
    }

    /// Carries out orders on one branch; a verdict for each.
    pub(crate) fn land(&self, branch: &str, orders: &[Order], steps: &Steps) -> Vec<Verdict> {
        let mut pushes = Pushes::default();
        let verdicts = settled(orders, MOST_PUSHES, |verdicts| {
            self.attempt(branch, orders, verdicts, steps, &mut pushes)
        });
        verdicts.into_iter().map(|verdict| pushes.explain(verdict)).collect()
    }

    fn attempt(
        &self,
        branch: &str,
        orders: &[Order],
        verdicts: &mut [Option<Verdict>],
        steps: &Steps,
        pushes: &mut Pushes,
    ) -> Result<Attempt, Stop> {
        let branch = named(branch)?;
        let pending: Vec<(usize, &Order)> = pending(orders, verdicts).collect();
        let deadline = pending.iter().map(|(_, order)| order.deadline).min_by_key(|at| at.remaining());
        let Some(deadline) = deadline else { return Ok(Attempt::Over) };
        let found = self.look(&branch, &pending, deadline)?;
        steps.reached(LOOKED);
        let head = found.get(&branch).copied();
        self.fetch(&branch, head, deadline)?;
        steps.reached(FETCHED);
        let with_intents: Vec<_> = pending
            .iter()
            .map(|&(index, order)| (index, order, found.get(&intent_ref(&order.key)).copied()))
            .collect();
        let chain = chain(&self.copy, head, &branch, &with_intents)?;
        steps.reached(BUILT);
        if !all_may_act(&chain, orders, verdicts) {
            return Ok(Attempt::Again);
        }
        steps.reached(ASKED);
        let moves = moves(&branch, &chain, orders);
        if moves.is_empty() {
            chain.settle(verdicts);
            return Ok(Attempt::Over);
        }
        let pushed =
            self.push(&moves, deadline).inspect_err(|_| pushes.is_unclear = true).map_err(Stop::Again)?;
        steps.reached(PUSHED);
        if pushed.is_well {
            chain.settle(verdicts);
            return Ok(Attempt::Over);
        }
        // Moved, refused, or cut off on the way: looking again tells.
        pushes.failed(&pushed);
        Ok(Attempt::Again)
    }

    /// What the branch and the intents' references stand at.
    fn look(
        &self,
        branch: &str,
        pending: &[(usize, &Order)],
        deadline: Deadline,
    ) -> Result<HashMap<String, Oid>, Stop> {
        let mut arguments =
            vec!["ls-remote".to_owned(), "--quiet".into(), "--".into(), self.url.clone(), branch.into()];
        arguments.extend(pending.iter().map(|(_, order)| intent_ref(&order.key)));
        let said = self.git(&arguments, deadline).map_err(Stop::Later)?;
        if !said.is_well {
            return Err(Stop::Later(format!("the remote cannot be read: {}", said.reason())));
        }
        let line = |line: &str| {
            let (id, reference) = line.split_once('\t')?;
            Some((reference.to_owned(), Oid::from_str(id).ok()?))
        };
        Ok(said.stdout.lines().filter_map(line).collect())
    }

    /// Fetches the branch, unless its head is here already.
    fn fetch(&self, branch: &str, head: Option<Oid>, deadline: Deadline) -> Result<(), Stop> {
        let Some(head) = head else { return Ok(()) };
        if self.copy.odb()?.exists(head) {
            return Ok(());
        }
        let refspec = format!("+{branch}:refs/selvedge/copy/{branch}");
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", &self.url, &refspec];
        let said = self.git(&fetch, deadline).map_err(Stop::Later)?;
        self.copy.odb()?.refresh()?;
        if said.is_well && self.copy.odb()?.exists(head) {
            return Ok(());
        }
        Err(Stop::Later(format!("the remote cannot be fetched from: {}", said.reason())))
    }

    fn push(&self, moves: &[Move], deadline: Deadline) -> Result<Said, String> {
        let mut arguments: Vec<String> =
            ["push", "--atomic", "--porcelain", "--no-verify"].map(str::to_owned).into();
        for Move { reference, from, .. } in moves {
            let from = from.map(|from| from.to_string()).unwrap_or_default();
            arguments.push(format!("--force-with-lease={reference}:{from}"));
        }
        arguments.extend(["--".to_owned(), self.url.clone()]);
        arguments.extend(moves.iter().map(|Move { reference, to, .. }| format!("{to}:{reference}")));
        self.git(&arguments, deadline)
    }

    fn git<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S], deadline: Deadline) -> Result<Said, String> {
        cli::git(&self.folder, arguments, deadline.at_most_ms(COMMAND_MS))
    }
}

/// What became of the pushes that failed.
#[derive(Default)]
struct Pushes {
    /// What the last one got for an answer.
    reason: Option<String>,
    /// Whether one of them got no answer, and may yet arrive.
    is_unclear: bool,
}

impl Pushes {
    fn failed(&mut self, said: &Said) {
        let is_answered = said.stdout.lines().any(|line| line.starts_with('!'));
        self.is_unclear |= !is_answered || said.stdout.contains("[remote failure]");
        self.reason = Some(said.reason());
    }

    fn explain(&self, verdict: Verdict) -> Verdict {
        match (verdict, &self.reason) {
            (Verdict::Later(why), None) if self.is_unclear => Verdict::Again(why),
            (Verdict::Later(why), Some(reason)) => {
                let why = format!("{why}; the last push was not taken: {reason}");
                if self.is_unclear { Verdict::Again(why) } else { Verdict::Later(why) }
            }
            (verdict, _) => verdict,
        }
    }
}

/// A reference that is pushed.
struct Move {
    reference: String,
    from: Option<Oid>,
    to: Oid,
}

/// All that is pushed for orders that were built: nothing if there is nothing to move.
fn moves(branch: &str, chain: &Chain, orders: &[Order]) -> Vec<Move> {
    let mut moves = Vec::new();
    for (built, order) in chain.orders(orders) {
        moves.push(Move { reference: intent_ref(&order.key), from: built.intent, to: built.commit });
    }
    if let Some(to) = chain.tip.filter(|_| !moves.is_empty()) {
        moves.push(Move { reference: branch.to_owned(), from: chain.head, to });
    }
    // Closed to whoever came before: it points at a commit that is not the intent's.
    for &(index, from) in &chain.late {
        let (Some(order), Some(to)) = (orders.get(index), chain.head) else { continue };
        if from != Some(to) {
            moves.push(Move { reference: intent_ref(&order.key), from, to });
        }
    }
    moves
}

fn clear_locks(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            clear_locks(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
