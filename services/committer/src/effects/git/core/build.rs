//! Commits, each built on the one before; the same orders on the same head are the same commits.

use git2::{Oid, Repository, Signature, Time};
use selvedge_contracts::{fault::Detail, payload::intent::GitEffect};

use super::{Order, Stop, Verdict, history, message, tree};

/// Whose work a commit is.
#[derive(Debug, Clone)]
pub struct Author {
    /// The agent.
    pub name: String,
    /// An address that nobody has.
    pub address: String,
}

/// Who writes every commit.
const COMMITTER: (&str, &str) = ("selvedge committer", "committer@selvedge.invalid");

/// Orders built on a head.
pub(in super::super) struct Chain {
    /// What the first one is built on.
    pub(in super::super) head: Option<Oid>,
    /// The last commit; the head if there is none.
    pub(in super::super) tip: Option<Oid>,
    pub(in super::super) built: Vec<Built>,
    /// Every object that was written, and those that were there already.
    pub(in super::super) written: Vec<Oid>,
    settled: Vec<(usize, Verdict)>,
    /// Those refused although an earlier attempt may be about to act: their places, and what their
    /// references stand at.
    pub(in super::super) late: Vec<(usize, Option<Oid>)>,
}

/// One order, built.
pub(in super::super) struct Built {
    /// Its place among the orders.
    pub(in super::super) index: usize,
    pub(in super::super) commit: Oid,
    pub(in super::super) parent: Option<Oid>,
    /// What its reference stands at.
    pub(in super::super) intent: Option<Oid>,
}

impl Chain {
    /// Whether the branch must be locked before anything is answered.
    pub(super) fn needs_lock(&self) -> bool {
        !self.built.is_empty() || !self.late.is_empty()
    }

    /// Whether one of the orders had been done before.
    pub(super) fn has_found(&self) -> bool {
        self.settled.iter().any(|(_, verdict)| matches!(verdict, Verdict::Done { .. }))
    }

    /// The orders that were built.
    pub(in super::super) fn orders<'a>(
        &'a self,
        orders: &'a [Order],
    ) -> impl Iterator<Item = (&'a Built, &'a Order)> {
        self.built.iter().filter_map(|built| Some((built, orders.get(built.index)?)))
    }

    /// The verdicts, once the branch stands at the tip.
    pub(in super::super) fn settle(&self, verdicts: &mut [Option<Verdict>]) {
        let done =
            |built: &Built| (built.index, Verdict::Done { commit: built.commit, parent: built.parent });
        for (index, found) in self.built.iter().map(done).chain(self.settled.iter().cloned()) {
            if let Some(verdict) = verdicts.get_mut(index) {
                *verdict = Some(found);
            }
        }
    }
}

/// Builds orders on a branch's head: each with its place and what its reference stands at.
pub(in super::super) fn chain(
    repository: &Repository,
    head: Option<Oid>,
    branch: &str,
    orders: &[(usize, &Order, Option<Oid>)],
) -> Result<Chain, Stop> {
    let mut chain = Chain {
        head,
        tip: head,
        built: Vec::new(),
        written: Vec::new(),
        settled: Vec::new(),
        late: Vec::new(),
    };
    for &(index, order, intent) in orders {
        let done = history::done(repository, head, order, intent).map_err(Stop::from);
        let built = match done {
            Ok(Some(done)) => Err(done),
            Ok(None) => commit(repository, chain.tip, branch, order, &mut chain.written).map_err(Into::into),
            Err(stop) => Err(stop.into()),
        };
        match built {
            Ok(commit) => {
                chain.built.push(Built { index, commit, parent: chain.tip, intent });
                chain.tip = Some(commit);
            }
            Err(verdict) => {
                if matches!(verdict, Verdict::Refused(_)) && (order.may_have_begun || intent.is_some()) {
                    chain.late.push((index, intent));
                }
                chain.settled.push((index, verdict));
            }
        }
    }
    Ok(chain)
}

fn commit(
    repository: &Repository,
    parent: Option<Oid>,
    branch: &str,
    order: &Order,
    written: &mut Vec<Oid>,
) -> Result<Oid, Stop> {
    let effect = &order.effect;
    let base = base(repository, branch, effect, parent)?;
    let whole =
        message::compose(&effect.message, &order.trailers).map_err(|wrong| Stop::Refused(vec![wrong]))?;
    let (base, head) = (tree::tree_of(repository, base)?, tree::tree_of(repository, parent)?);
    let stale = tree::stale(repository, effect, base.as_ref(), head.as_ref())?;
    if !stale.is_empty() {
        return Err(Stop::Refused(stale));
    }
    let result = tree::changed(repository, effect, &order.contents, head.as_ref(), written)?;
    if head.is_some_and(|head| head.id() == result) {
        return refused("/effect/changes", "the branch holds all of this already: the commit would be empty");
    }
    let date = Time::new(i64::try_from(order.at_ms / 1_000).unwrap_or(i64::MAX), 0);
    let author = Signature::new(&order.author.name, &order.author.address, &date)?;
    let committer = Signature::new(COMMITTER.0, COMMITTER.1, &date)?;
    let parent = parent.map(|parent| repository.find_commit(parent)).transpose()?;
    let parents: Vec<_> = parent.iter().collect();
    let id =
        repository.commit(None, &author, &committer, &whole, &repository.find_tree(result)?, &parents)?;
    written.push(id);
    Ok(id)
}

/// The base, if the branch's head rests on it: nothing for a branch that is to begin.
fn base(
    repository: &Repository,
    branch: &str,
    effect: &GitEffect,
    head: Option<Oid>,
) -> Result<Option<Oid>, Stop> {
    let name = &effect.branch;
    let base = Oid::from_str(effect.base.as_str())?;
    match head {
        None if base.is_zero() => is_free(repository, branch).map(|()| None),
        None => {
            let message = format!("there is no branch {name}; the base of a new one is {}", Oid::ZERO_SHA1);
            refused("/effect/branch", &message)
        }
        Some(_) if base.is_zero() => {
            refused("/effect/base", &format!("stale: {name} has been begun meanwhile"))
        }
        Some(head) if history::is_in(repository, head, base)? => Ok(Some(base)),
        Some(_) => {
            let message =
                format!("{base} is not in the history of {name}; base the work on what {name} holds");
            refused("/effect/base", &message)
        }
    }
}

/// Whether a branch of this name can begin: git keeps branches as files, so none may be another's folder.
fn is_free(repository: &Repository, branch: &str) -> Result<(), Stop> {
    let below = repository.references_glob(&format!("{branch}/*"))?.names().flatten().count() > 0;
    let mut above = branch.match_indices('/').filter_map(|(at, _)| branch.get(..at));
    if below || above.any(|above| repository.find_reference(above).is_ok()) {
        return refused(
            "/effect/branch",
            "a branch whose name is a folder of this one, or below it, is there",
        );
    }
    Ok(())
}

fn refused<T>(at: &str, message: &str) -> Result<T, Stop> {
    Err(Stop::Refused(vec![Detail { at: at.to_owned(), message: message.to_owned() }]))
}
