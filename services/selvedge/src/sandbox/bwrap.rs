//! bubblewrap (bwrap(1)): the command in namespaces of its own, in which only what is granted is mounted.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::places::{Grants, Reach};

/// The one on `PATH`, if it may make namespaces here.
pub(crate) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found =
        std::env::split_paths(&path).map(|folder| folder.join("bwrap")).find(|path| path.is_file())?;
    let mut trial = Command::new(&found);
    trial.args(["--ro-bind", "/", "/", "--unshare-all", "true"]).stdin(Stdio::null());
    let ended = trial.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success()).then_some(found)
}

/// What it is called with, in front of the command.
pub(crate) fn arguments(grants: &Grants, directory: &Path) -> Vec<OsString> {
    let mut all: Vec<OsString> =
        ["--die-with-parent", "--unshare-all", "--new-session"].map(Into::into).to_vec();
    // The fabric is reached through a TCP port, and a network namespace knows no ports of ours.
    if grants.reach != Reach::Nothing {
        all.push("--share-net".into());
    }
    // Where these are links, what they lead to is mounted and they are not.
    for place in ["/bin", "/sbin", "/lib", "/lib32", "/lib64"] {
        if let Ok(target) = std::fs::read_link(place) {
            all.extend(["--symlink".into(), target.into(), place.into()]);
        }
    }
    for place in &grants.read {
        all.extend(["--ro-bind-try".into(), place.into(), place.into()]);
    }
    all.extend(["--proc", "/proc", "--dev", "/dev"].map(Into::into));
    for place in grants.write.iter().filter(|place| !place.starts_with("/dev")) {
        all.extend(["--bind-try".into(), place.into(), place.into()]);
    }
    all.extend(["--chdir".into(), directory.into(), "--".into()]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_granted_is_mounted_and_the_network_is_its_own_unless_something_is_reached() {
        let grants = Grants {
            read: vec!["/usr".into()],
            write: vec!["/dev/null".into(), "/w".into()],
            reach: Reach::Nothing,
        };
        let text = |grants: &Grants| {
            let all = arguments(grants, Path::new("/w"));
            all.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        let said = text(&grants);
        assert!(said.contains("--unshare-all") && !said.contains("--share-net"), "{said}");
        assert!(
            said.ends_with(" --ro-bind-try /usr /usr --proc /proc --dev /dev --bind-try /w /w --chdir /w --")
        );
        assert!(text(&Grants { reach: Reach::Port(4222), ..grants }).contains("--share-net"));
    }
}
