use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::with_prefix("selvedge-").unwrap();
    let path = folder.path().join("below").join("approvals.keys");
    (folder, path)
}

#[test]
fn what_a_former_key_sealed_counts_until_that_key_is_taken_out() {
    let (_folder, path) = place();
    let keys = Keys::open(&path).unwrap();
    let sealed = keys.ring().unwrap().seal(b"bytes");
    let rotated = rotate_keys(&path).unwrap();
    assert_eq!((rotated.keys.len(), rotated.active == sealed.key_id), (2, false));
    let ring = keys.ring().unwrap();
    assert_eq!(ring.judge(&sealed, b"bytes"), Proof::Holds, "the file was read again, the old key counts");
    assert_eq!(ring.seal(b"bytes").key_id, rotated.active);
    let left = forget_key(&path, &sealed.key_id).unwrap();
    assert_eq!(left.keys, [rotated.active.clone()]);
    assert_eq!(keys.ring().unwrap().judge(&sealed, b"bytes"), Proof::NoKey);
    let refused = forget_key(&path, &rotated.active).unwrap_err();
    assert!(refused.to_string().contains("rotate first"), "{refused}");
}

#[test]
fn of_many_that_make_the_file_at_once_one_does() {
    let (_folder, path) = place();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| Keys::open(&path).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sealed: std::collections::BTreeSet<_> =
        opened.iter().map(|keys| keys.ring().unwrap().seal(b"x").mac.to_string()).collect();
    assert_eq!(sealed.len(), 1);
    let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "nothing is left beside it");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn rotations_at_once_lose_no_key() {
    let (_folder, path) = place();
    Keys::open(&path).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| rotate_keys(&path).unwrap());
        }
    });
    assert_eq!(rotate_keys(&path).unwrap().keys.len(), 10);
}

#[test]
fn a_file_that_others_may_read_or_that_holds_no_keys_is_refused_with_what_to_do() {
    let (_folder, path) = place();
    Keys::open(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Keys::open(&path).err().unwrap().to_string();
    assert!(refused.contains("644") && refused.contains("chmod 600"), "{refused}");
    for (text, reason) in [
        ("", "EOF"),
        (r#"{"active":"a","keys":{}}"#, "not among them"),
        (r#"{"active":"a","keys":{"a":"00"}}"#, "64 hex digits"),
        (r#"{"active":"a","keys":{},"more":1}"#, "unknown field"),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let refused = Keys::open(&path).err().unwrap().to_string();
        assert!(refused.contains(reason) && refused.contains("backup"), "{text}: {refused}");
    }
}

/// RFC 4231, test case 2, but for its key, which is shorter than ours: the tag was computed with Python's
/// `hmac` over a key of 32 bytes 0x0b.
#[test]
fn the_seal_is_hmac_sha256() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!(r#"{{"active":"a","keys":{{"a":"{}"}}}}"#, "0b".repeat(32))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let sealed = Keys::open(&path).unwrap().ring().unwrap().seal(b"what do ya want for nothing?");
    assert_eq!(sealed.mac.as_str(), "c3f2649c34ea24e4d62a2c7e868bbea0233c9d4c2cc300794db76aa18d6822d8");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_token_holds_for_its_own_bytes_and_no_others(bytes in any::<Vec<u8>>(), other in any::<Vec<u8>>(), at in 0_usize..64) {
        let (_folder, path) = place();
        let ring = Keys::open(&path).unwrap().ring().unwrap();
        let sealed = ring.seal(&bytes);
        prop_assert_eq!(ring.judge(&sealed, &bytes), Proof::Holds);
        prop_assert_eq!(ring.judge(&sealed, &other) == Proof::Holds, bytes == other);
        let mut hex: Vec<u8> = sealed.mac.as_str().bytes().collect();
        hex[at] = if hex[at] == b'0' { b'1' } else { b'0' };
        let mac = Digest::new(std::str::from_utf8(&hex).unwrap()).unwrap();
        prop_assert_eq!(ring.judge(&ApprovalToken { mac, ..sealed }, &bytes), Proof::Forged);
    }
}
