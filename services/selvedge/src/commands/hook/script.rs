//! The hook itself: a small shell script.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

/// Line by which a hook is known as ours.
const MARK: &[u8] = b"# Made by `selvedge hook install`; `selvedge hook uninstall` removes it.";

/// What the script is made of.
pub(super) struct Script {
    /// The binary.
    pub(super) binary: OsString,
    /// Variables that are set unless they are already.
    pub(super) defaults: Vec<(&'static str, OsString)>,
    /// Name of the hook that runs first, in the same folder.
    pub(super) chained: String,
    /// Whether a commit passes if nobody can be asked.
    pub(super) fails_open: bool,
}

impl Script {
    /// Its text.
    pub(super) fn text(&self) -> Vec<u8> {
        let Self { binary, defaults, chained, fails_open } = self;
        let mut text = b"#!/bin/sh\n".to_vec();
        let mut line = |parts: &[&[u8]]| {
            parts.iter().for_each(|part| text.extend_from_slice(part));
            text.push(b'\n');
        };
        line(&[MARK]);
        line(&[b"# Refuses a commit that touches what others hold. SELVEDGE_HOOK=off turns it off."]);
        line(&[b"chained=$(dirname -- \"$0\")/", chained.as_bytes()]);
        line(&[b"if [ -x \"$chained\" ]; then \"$chained\" \"$@\" || exit $?; fi"]);
        line(&[b"[ \"${SELVEDGE_HOOK:-}\" = off ] && exit 0"]);
        for (name, value) in defaults {
            let name = name.as_bytes();
            line(&[b"[ -n \"${", name, b":-}\" ] || ", name, b"=", &quoted(value)]);
            line(&[b"export ", name]);
        }
        line(&[b"selvedge=", &quoted(binary)]);
        line(&[b"[ -x \"$selvedge\" ] || selvedge=selvedge"]);
        line(&[b"command -v \"$selvedge\" >/dev/null || {"]);
        line(&[b"    echo 'selvedge is gone: SELVEDGE_HOOK=off commits without it' >&2"]);
        line(&[b"    exit ", if *fails_open { b"0" } else { b"1" }]);
        line(&[b"}"]);
        line(&[b"exec \"$selvedge\" hook check", if *fails_open { b" --fail-open" } else { b"" }]);
        text
    }
}

/// Whether a hook is ours.
pub(super) fn is_ours(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| line == MARK)
}

fn quoted(text: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in text.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in ["plain", "it's", "a b\n$(c) \"d\" \\e", "''"] {
            let mut script = b"printf %s ".to_vec();
            script.extend(quoted(OsStr::new(text)));
            let script = OsStr::from_bytes(&script);
            let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }

    #[test]
    fn a_hook_of_ours_is_known_as_such() {
        let script = Script {
            binary: "/x".into(),
            defaults: vec![],
            chained: "pre-commit.chained".to_owned(),
            fails_open: false,
        };
        assert!(is_ours(&script.text()));
        assert!(!is_ours(b"#!/bin/sh\necho selvedge hook install\n"));
    }
}
