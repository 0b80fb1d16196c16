//! Groups of three characters of a title: they find what is spelt differently.

/// Bytes of a title that count.
const BYTES: usize = 128;

/// The groups of a text, in order and each once. Letters and digits count, all else is one space.
pub(crate) fn of(text: &str) -> Vec<u32> {
    let mut folded = Vec::with_capacity(text.len().min(BYTES) + 2);
    folded.push(b' ');
    for byte in text.bytes().take(BYTES) {
        let byte =
            if byte.is_ascii_alphanumeric() || !byte.is_ascii() { byte.to_ascii_lowercase() } else { b' ' };
        if byte != b' ' || folded.last() != Some(&b' ') {
            folded.push(byte);
        }
    }
    if folded.last() != Some(&b' ') {
        folded.push(b' ');
    }
    let mut groups: Vec<u32> = folded
        .windows(3)
        .map(|group| group.iter().fold(0, |key, byte| (key << 8) | u32::from(*byte)))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_ignore_case_and_punctuation() {
        assert_eq!(of("Foo--Bar"), of("foo bar"));
        assert_eq!(
            of("ab"),
            [u32::from_be_bytes([0, b' ', b'a', b'b']), u32::from_be_bytes([0, b'a', b'b', b' '])]
        );
        assert!(of("").is_empty());
        assert!(of(&"x".repeat(1 << 20)).len() < 4, "bounded");
    }
}
