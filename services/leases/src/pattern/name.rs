//! One component of a glob: `*`, `?`, `[…]`, `\` and bytes that stand for themselves.

use std::{iter::Peekable, str::Chars, sync::Arc};

use crate::{
    automaton::{Bytes, Step},
    claim::Malformed,
};

/// Reads one component.
pub(super) fn parse(text: &str) -> Result<Vec<Step>, Malformed> {
    if text.is_empty() {
        return Err(Malformed("has an empty component; expected one / between two names".into()));
    }
    let mut steps = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '*' => {
                // Several in a row within a name are one.
                if !matches!(steps.last(), Some(Step::Many(Bytes::Name))) {
                    steps.push(Step::Many(Bytes::Name));
                }
            }
            '?' => steps.extend(one_character(Bytes::Name)),
            '[' => steps.extend(class(&mut chars)?),
            '\\' => {
                let meant = chars.next().ok_or_else(|| {
                    Malformed("ends a name with a backslash; write \\\\ for a backslash".into())
                })?;
                steps.extend(literal(meant));
            }
            '{' | '}' => {
                return Err(Malformed(
                    "holds a brace, which gitignore takes for itself and others for a choice; claim each choice on its own, or write \\{".into(),
                ));
            }
            _ => steps.extend(literal(next)),
        }
    }
    Ok(steps)
}

fn literal(meant: char) -> Vec<Step> {
    let mut buffer = [0; 4];
    meant.encode_utf8(&mut buffer).bytes().map(|byte| Step::One(Bytes::One(byte))).collect()
}

/// One byte (as git counts) or one character of UTF-8 (as people do).
fn one_character(bytes: Bytes) -> [Step; 2] {
    [Step::One(bytes), Step::Many(Bytes::Inner)]
}

/// Reads a class, after its `[`.
fn class(chars: &mut Peekable<Chars<'_>>) -> Result<Vec<Step>, Malformed> {
    let negated = chars.next_if(|next| matches!(next, '!' | '^')).is_some();
    let mut bits = [0_u64; 4];
    let mut is_first = true;
    loop {
        let start = match chars.next() {
            None => return Err(Malformed("has a [ without its ]; write \\[ for a bracket".into())),
            Some(']') if !is_first => break,
            Some(start) => member(start, chars)?,
        };
        is_first = false;
        let mut ahead = chars.clone();
        let end = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(end)) if end != ']' => {
                chars.nth(1);
                member(end, chars)?
            }
            _ => start,
        };
        if end < start {
            let (start, end) = (char::from(start), char::from(end));
            return Err(Malformed(format!(
                "has the range {start}-{end}, which holds nothing; turn it round"
            )));
        }
        for byte in start..=end {
            if let Some(word) = bits.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
    }
    // As the crate `ignore` does, and not as git does, a class may hold the `/`: it covers more then, never less.
    if !negated {
        return Ok(vec![Step::One(Bytes::Class(Arc::new(bits)))]);
    }
    let others = bits.map(|word| !word);
    Ok(one_character(Bytes::Class(Arc::new(others))).to_vec())
}

fn member(found: char, chars: &Peekable<Chars<'_>>) -> Result<u8, Malformed> {
    let refuse = |why: &str| Err(Malformed(format!("has a class with {why}")));
    match found {
        '\\' => refuse("a backslash, which tools read in different ways; write the character outside of it"),
        '[' if chars.clone().next().is_some_and(|next| matches!(next, ':' | '.' | '=')) => {
            refuse("a named class, which tools read in different ways; write its characters")
        }
        _ => u8::try_from(found)
            .ok()
            .filter(u8::is_ascii)
            .map_or_else(|| refuse("a character that is not ASCII; claim each name on its own"), Ok),
    }
}
