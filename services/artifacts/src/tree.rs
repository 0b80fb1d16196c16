//! The tree of a blake3 digest, cut into groups of 1 MiB: what lets one piece of content be verified
//! without the rest, before it is sent.
//!
//! blake3 is a tree hash. The chaining values of its 1 MiB subtrees, merged, give the digest itself, so a
//! list of them needs no trust of its own: either it leads to the digest under which the content is
//! stored, or it is broken. Such a list is the content's *outboard* (32 bytes for each group, in order).
//! The idea is Bao's; the functions are those of `blake3::hazmat`. Content of one group has none.

use blake3::{
    Hash, Hasher,
    hazmat::{ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root},
};

/// Bytes of a group.
pub(crate) const GROUP_BYTES: u64 = 1 << 20;
const CHAINING_VALUE_BYTES: usize = 32;

/// Hashes content that comes in pieces of any length, in order.
pub(crate) struct Groups {
    done: Vec<ChainingValue>,
    current: Hasher,
    len: u64,
}

/// What content came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hashed {
    /// Its digest.
    pub(crate) digest: Hash,
    /// Its size in bytes.
    pub(crate) size_bytes: u64,
    /// Chaining values of its groups; empty if it is one group or less.
    pub(crate) groups: Vec<ChainingValue>,
}

impl Groups {
    pub(crate) fn new() -> Self {
        Self { done: Vec::new(), current: Hasher::new(), len: 0 }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let in_group = self.current.count();
            if in_group == GROUP_BYTES {
                // Only now is it certain that this group is not all there is.
                self.done.push(self.current.finalize_non_root());
                self.current = at(self.len);
                continue;
            }
            let room = usize::try_from(GROUP_BYTES - in_group).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.current.update(now);
            self.len += now.len() as u64;
            bytes = later;
        }
    }

    /// The digest of everything.
    pub(crate) fn finish(mut self) -> Hashed {
        if self.done.is_empty() {
            return Hashed { digest: self.current.finalize(), size_bytes: self.len, groups: Vec::new() };
        }
        self.done.push(self.current.finalize_non_root());
        let digest = root(&self.done).unwrap_or_else(|| self.current.finalize());
        Hashed { digest, size_bytes: self.len, groups: self.done }
    }
}

fn at(offset: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset);
    hasher
}

/// How many groups content of this size has.
pub(crate) fn groups_in(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(GROUP_BYTES)
}

/// Whether `bytes` are the group `index` of the content that `groups` are of.
pub(crate) fn is_group(groups: &[ChainingValue], index: u64, bytes: &[u8]) -> bool {
    let Some(expected) = usize::try_from(index).ok().and_then(|index| groups.get(index)) else {
        return false;
    };
    if bytes.is_empty() || bytes.len() as u64 > GROUP_BYTES {
        return false;
    }
    at(index * GROUP_BYTES).update(bytes).finalize_non_root() == *expected
}

/// The digest that the groups lead to; nothing if there are fewer than two.
pub(crate) fn root(groups: &[ChainingValue]) -> Option<Hash> {
    let (left, right) = halves(groups)?;
    Some(merge_subtrees_root(&merged(left)?, &merged(right)?, Mode::Hash))
}

fn merged(groups: &[ChainingValue]) -> Option<ChainingValue> {
    match groups {
        [] => None,
        [one] => Some(*one),
        several => {
            let (left, right) = halves(several)?;
            Some(merge_subtrees_non_root(&merged(left)?, &merged(right)?, Mode::Hash))
        }
    }
}

/// The left subtree is the largest power of two that leaves something for the right one.
fn halves(groups: &[ChainingValue]) -> Option<(&[ChainingValue], &[ChainingValue])> {
    let left = groups.len().div_ceil(2).next_power_of_two();
    groups.split_at_checked(left).filter(|(_, right)| !right.is_empty())
}

/// The outboard as it is stored.
pub(crate) fn to_bytes(groups: &[ChainingValue]) -> Vec<u8> {
    groups.concat()
}

/// The outboard of the content `digest`, if that is what `bytes` are.
pub(crate) fn from_bytes(bytes: &[u8], digest: &Hash) -> Option<Vec<ChainingValue>> {
    let (groups, []) = bytes.as_chunks::<CHAINING_VALUE_BYTES>() else {
        return None;
    };
    (root(groups)? == *digest).then(|| groups.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(len: usize) -> Vec<u8> {
        // No two groups of it are equal.
        (0..len).map(|index| (index.wrapping_mul(31) >> 3) as u8 ^ (index >> 20) as u8).collect()
    }

    fn hashed(content: &[u8], piece: usize) -> Hashed {
        let mut groups = Groups::new();
        content.chunks(piece).for_each(|piece| groups.push(piece));
        groups.finish()
    }

    #[test]
    fn at_every_edge_of_a_group_the_digest_is_blake3s() {
        let group = GROUP_BYTES as usize;
        for len in
            [0, 1, 1_024, group - 1, group, group + 1, 2 * group, 2 * group + 1, 3 * group, 5 * group + 7]
        {
            let content = content(len);
            let hashed = hashed(&content, 700_001);
            assert_eq!(hashed.digest, blake3::hash(&content), "{len}");
            assert_eq!(hashed.size_bytes, len as u64);
            let groups = hashed.groups.len() as u64;
            assert_eq!(groups, if len <= group { 0 } else { groups_in(len as u64) }, "{len}");
        }
    }

    #[test]
    fn every_group_is_known_by_its_place_and_its_bytes() {
        let content = content(3 * GROUP_BYTES as usize + 5);
        let hashed = hashed(&content, 1 << 20);
        for (index, group) in content.chunks(GROUP_BYTES as usize).enumerate() {
            assert!(is_group(&hashed.groups, index as u64, group), "{index}");
            assert!(!is_group(&hashed.groups, index as u64 + 1, group), "{index} elsewhere");
            let mut bent = group.to_vec();
            bent[group.len() / 2] ^= 1;
            assert!(!is_group(&hashed.groups, index as u64, &bent), "{index} bent");
            assert!(!is_group(&hashed.groups, index as u64, &group[..group.len() - 1]), "{index} cut");
        }
    }

    #[test]
    fn an_outboard_counts_only_if_it_leads_to_the_digest() {
        let hashed = hashed(&content(4 * GROUP_BYTES as usize), 1 << 20);
        let bytes = to_bytes(&hashed.groups);
        assert_eq!(from_bytes(&bytes, &hashed.digest), Some(hashed.groups.clone()));
        let mut bent = bytes.clone();
        bent[40] ^= 1;
        for broken in [&bent[..], &bytes[..96], &bytes[..97], &[]] {
            assert_eq!(from_bytes(broken, &hashed.digest), None);
        }
        assert_eq!(from_bytes(&bytes, &blake3::hash(b"other")), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn pieces_of_any_length_give_the_same_tree(len in 0usize..4_000_000, piece in 1usize..3_000_000) {
            let content = content(len);
            let one = hashed(&content, piece);
            prop_assert_eq!(one.digest, blake3::hash(&content));
            prop_assert_eq!(one, hashed(&content, len.max(1)));
        }
    }
}
