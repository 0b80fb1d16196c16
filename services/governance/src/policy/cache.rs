//! Checked policies, kept by the digest of their text.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use selvedge_contracts::{id::Digest, payload::policy::MAX_POLICY_BYTES};

use super::compiled::{Checked, check};

/// Most bytes of the texts of what is kept; what is compiled takes some tens of times that.
const MOST_BYTES: usize = 16 * MAX_POLICY_BYTES;
/// Most texts that are kept, however short.
const MOST: usize = 256;

/// Checked policies; those that were not asked for longest go first.
#[derive(Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    checked: HashMap<Digest, Entry>,
    bytes: usize,
    clock: u64,
}

struct Entry {
    checked: Arc<Checked>,
    bytes: usize,
    used: u64,
}

impl Cache {
    /// What is known about the text with this digest; checks it if nothing is, also if the text turns out
    /// to be unsound, so that this is not found out again and again.
    pub(super) fn of(&self, digest: &Digest, text: &str) -> Arc<Checked> {
        if let Some(known) = self.with(|kept| kept.get(digest)) {
            return known;
        }
        if Digest::from(&blake3::hash(text.as_bytes())) != *digest {
            return Arc::new(Checked::refused("the text does not have the digest that it was kept under"));
        }
        // Not under the lock: others have other policies to ask for. Two may check the same at once.
        let checked = Arc::new(check(text));
        self.with(|kept| kept.put(digest.clone(), &checked, text.len()));
        checked
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn get(&mut self, digest: &Digest) -> Option<Arc<Checked>> {
        self.clock += 1;
        let entry = self.checked.get_mut(digest)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.checked))
    }

    fn put(&mut self, digest: Digest, checked: &Arc<Checked>, bytes: usize) {
        self.remove(&digest);
        while !self.checked.is_empty() && (self.bytes + bytes > MOST_BYTES || self.checked.len() >= MOST) {
            let oldest =
                self.checked.iter().min_by_key(|(_, entry)| entry.used).map(|(digest, _)| digest.clone());
            oldest.iter().for_each(|oldest| self.remove(oldest));
        }
        self.bytes += bytes;
        self.checked.insert(digest, Entry { checked: Arc::clone(checked), bytes, used: self.clock });
    }

    fn remove(&mut self, digest: &Digest) {
        if let Some(entry) = self.checked.remove(digest) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::new(blake3::hash(text.as_bytes()).to_hex().as_str()).unwrap()
    }

    #[test]
    fn what_was_not_asked_for_longest_goes_and_both_bounds_hold() {
        let mut kept = Kept::default();
        let checked = Arc::new(check("permit(principal, action, resource);"));
        let mut put = |n: usize, bytes| {
            kept.clock += 1;
            kept.put(digest(&n.to_string()), &checked, bytes);
            assert!(kept.checked.len() <= MOST && kept.bytes <= MOST_BYTES);
            assert!(kept.get(&digest("0")).is_some(), "0 is asked for again and again");
        };
        (0..MOST + 10).for_each(|n| put(n, 10));
        (1_000..1_100).for_each(|n| put(n, MAX_POLICY_BYTES));
        assert!(kept.get(&digest("1")).is_none() && kept.get(&digest("1099")).is_some());
        assert_eq!(kept.checked.values().map(|entry| entry.bytes).sum::<usize>(), kept.bytes);
    }

    #[test]
    fn a_text_is_checked_once() {
        let cache = Cache::default();
        for text in ["permit(principal, action, resource);", "permit("] {
            let first = cache.of(&digest(text), text);
            assert!(Arc::ptr_eq(&first, &cache.of(&digest(text), text)));
        }
    }
}
