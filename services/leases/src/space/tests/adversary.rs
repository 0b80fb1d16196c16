//! What one holder alone can do to the others.

use super::*;

#[test]
fn one_holder_cannot_fill_the_queue() {
    let mut space = Space::new(Limits::default());
    held(&acquire(&mut space, &want("first", "ada", &[resource("r")], 0), 1));
    for index in 0..Limits::default().waiters {
        let _ = space.acquire(&want(&format!("w{index}"), "eve", &[resource("r")], 86_400_000), NOW_MS);
    }
    assert_eq!(space.waiters(), Limits::default().waiters_per_holder);
    let bob = space.acquire(&want("bob", "bob", &[resource("r")], 1_000), NOW_MS);
    assert!(bob.is_ok(), "{bob:?}");
}
