//! What a branch's history says: whether an order is done, and whether a commit lies in it.

use git2::{ErrorCode, Oid, Repository, Sort};

use super::{Order, Verdict, message};

/// Most commits that are looked through for an order's trailer.
const MOST_COMMITS: usize = 10_000;

/// The order's commit, if it is reachable from the branch's head: by the intent's reference, else, where an
/// earlier attempt may have got somewhere, by its trailer in what the branch got since the base.
pub(super) fn done(
    repository: &Repository,
    head: Option<Oid>,
    order: &Order,
    intent: Option<Oid>,
) -> Result<Option<Verdict>, git2::Error> {
    let Some(head) = head else { return Ok(None) };
    if let Some(commit) = intent
        && is_in(repository, head, commit)?
        && is_of(repository, commit, order)?
    {
        return done_by(repository, commit).map(Some);
    }
    if intent.is_none() && !order.may_have_begun {
        return Ok(None);
    }
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL)?;
    walk.push(head)?;
    if let Ok(base) = Oid::from_str(order.effect.base.as_str())
        && exists(repository, base)?
    {
        walk.hide(base)?;
    }
    for commit in walk.take(MOST_COMMITS) {
        let commit = commit?;
        if is_of(repository, commit, order)? {
            return done_by(repository, commit).map(Some);
        }
    }
    Ok(None)
}

fn done_by(repository: &Repository, commit: Oid) -> Result<Verdict, git2::Error> {
    let parent = repository.find_commit(commit)?.parent_ids().next();
    Ok(Verdict::Done { commit, parent })
}

fn is_of(repository: &Repository, commit: Oid, order: &Order) -> Result<bool, git2::Error> {
    let commit = repository.find_commit(commit)?;
    let message = String::from_utf8_lossy(commit.message_bytes());
    let wanted = order.trailers.first();
    Ok(wanted.is_some_and(|(name, value)| message::trailer(&message, name) == Some(value.as_str())))
}

/// Whether there is such a commit here.
pub(super) fn exists(repository: &Repository, commit: Oid) -> Result<bool, git2::Error> {
    match repository.find_commit(commit) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a commit is the head or lies behind it.
pub(super) fn is_in(repository: &Repository, head: Oid, commit: Oid) -> Result<bool, git2::Error> {
    Ok(head == commit || (exists(repository, commit)? && repository.graph_descendant_of(head, commit)?))
}
