//! Keys of the bucket `leases`, all written by this service alone:
//!
//! | key | value | dies |
//! |---|---|---|
//! | `<mission>.<space>._owner` | [`Owner`]: the instance that decides | never |
//! | `<mission>.<space>._pool_<pool>` | a pool | never |
//! | `<mission>.<space>.<lease id>` | a lease, held or waiting | at its deadline and a margin |

use selvedge_contracts::id::{LeaseId, Mission, PoolName, ScopeId, SpaceId};
use serde::{Deserialize, Serialize};

/// A space of one mission.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) mission: Mission,
    pub(crate) space: SpaceId,
}

/// The record of a space's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// The instance that decides about the space.
    pub(crate) instance: ScopeId,
    /// Unix time at which it took the space over, in milliseconds.
    pub(crate) since_ms: u64,
}

/// What a key stands for within its space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaf {
    Owner,
    Pool(PoolName),
    Lease(LeaseId),
}

const OWNER: &str = "_owner";
const POOL: &str = "_pool_";

impl Place {
    /// What all keys of the space begin with.
    pub(crate) fn prefix(&self) -> String {
        format!("{}.{}.", self.mission, self.space)
    }

    pub(crate) fn owner_key(&self) -> String {
        format!("{}{OWNER}", self.prefix())
    }

    pub(crate) fn pool_key(&self, pool: &PoolName) -> String {
        format!("{}{POOL}{pool}", self.prefix())
    }

    pub(crate) fn lease_key(&self, lease: &LeaseId) -> String {
        format!("{}{lease}", self.prefix())
    }
}

/// Reads a key; nothing if it is none of ours.
pub(crate) fn parse(key: &str) -> Option<(Place, Leaf)> {
    let mut tokens = key.split('.');
    let (mission, space, leaf) = (tokens.next()?, tokens.next()?, tokens.next()?);
    if tokens.next().is_some() {
        return None;
    }
    let place = Place { mission: Mission::new(mission).ok()?, space: SpaceId::new(space).ok()? };
    let leaf = match leaf.strip_prefix(POOL) {
        Some(pool) => Leaf::Pool(PoolName::new(pool).ok()?),
        None if leaf == OWNER => Leaf::Owner,
        None => Leaf::Lease(LeaseId::new(leaf).ok()?),
    };
    Some((place, leaf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_reads_back_as_written() {
        let place = Place { mission: Mission::new("demo").unwrap(), space: SpaceId::new("shop").unwrap() };
        let (lease, pool) = (LeaseId::new("lease_01").unwrap(), PoolName::new("gpu").unwrap());
        for (key, leaf) in [
            (place.owner_key(), Leaf::Owner),
            (place.pool_key(&pool), Leaf::Pool(pool)),
            (place.lease_key(&lease), Leaf::Lease(lease)),
        ] {
            assert_eq!(parse(&key), Some((place.clone(), leaf)), "{key}");
        }
        for foreign in ["", "demo.shop", "demo.shop._other", "demo.shop.lease_01.x", "demo.SHOP._owner"] {
            assert_eq!(parse(foreign), None, "{foreign}");
        }
    }
}
