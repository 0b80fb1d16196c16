//! Claims as they are typed.

use std::{path::PathBuf, str::FromStr};

use clap::Args;
use selvedge_contracts::{
    fault::Fault,
    id::{PoolName, ResourceName},
    payload::{
        claim::{Claim, Mode},
        lease::{MAX_CLAIMS, MAX_SLOTS},
    },
};

use super::{Place, left};
use crate::{connect::Context, exit::Failure, output::Format, repository::Repository};

/// What is claimed.
#[derive(Debug, Args)]
pub(super) struct Claimed {
    /// Files and folders, from the current folder on; a folder with all that is below it.
    #[arg(value_name = "PATHS")]
    paths: Vec<PathBuf>,
    /// What a line of a .gitignore in the current folder would cover; repeat for more.
    #[arg(long = "glob", value_name = "GLOB")]
    globs: Vec<String>,
    /// The files that match a glob, without what lies below a folder that does; repeat for more.
    #[arg(long = "files", value_name = "GLOB")]
    files: Vec<String>,
    /// A resource by its name, for example port:8080; repeat for more.
    #[arg(long = "resource", value_name = "NAME")]
    resources: Vec<ResourceName>,
    /// Slots of a pool; repeat for more.
    #[arg(long = "slots", value_name = "POOL=N")]
    slots: Vec<Slots>,
    /// Together with others who share it too; slots always are.
    #[arg(long)]
    shared: bool,
}

/// So many slots of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slots {
    pool: PoolName,
    slots: u32,
}

impl FromStr for Slots {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (pool, slots) = text.split_once('=').unwrap_or((text, "1"));
        let pool = PoolName::new(pool).map_err(|error| error.to_string())?;
        match slots.parse() {
            Ok(slots @ 1..=MAX_SLOTS) => Ok(Self { pool, slots }),
            _ => {
                Err(format!("{slots:?} is no number of slots; expected POOL=N with N from 1 to {MAX_SLOTS}"))
            }
        }
    }
}

/// Claims, and what was typed for each.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) claims: Vec<Claim>,
    typed: Vec<String>,
}

impl Claimed {
    /// Whether nothing is claimed.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        let Self { paths, globs, files, resources, slots, shared: _ } = self;
        paths.len() + globs.len() + files.len() + resources.len() + slots.len()
    }

    /// The claims, counted from the place's root.
    pub(super) fn claims(&self, place: &Place) -> Result<Claims, Failure> {
        if self.is_empty() {
            return Err(Failure::usage(
                "nothing is claimed: name PATHS, --glob, --files, --resource or --slots",
            ));
        }
        if self.count() > MAX_CLAIMS {
            let count = self.count();
            return Err(Failure::usage(format!(
                "{count} claims are too many; expected 1 to {MAX_CLAIMS}: name folders or globs"
            )));
        }
        let mode = if self.shared { Mode::Shared } else { Mode::Exclusive };
        let mut found = Claims { claims: Vec::new(), typed: Vec::new() };
        let mut add = |typed: String, claim: Claim| {
            found.claims.push(claim.with_mode(mode));
            found.typed.push(typed);
        };
        for typed in &self.paths {
            let name = typed.display().to_string();
            let path = place.repository.inside(typed);
            let path = path.map_err(|why| Failure::usage(format!("the path {name} {why}")))?;
            add(name, of_path(&place.repository, typed, path));
        }
        for (globs, claim) in [(&self.globs, Claim::glob as fn(String) -> Claim), (&self.files, Claim::files)]
        {
            for typed in globs {
                let glob = from_root(&place.repository, typed);
                let glob = glob.map_err(|why| Failure::usage(format!("the glob {typed} {why}")))?;
                add(typed.clone(), claim(glob));
            }
        }
        for name in &self.resources {
            add(format!("resource {name}"), Claim::resource(name.clone()));
        }
        for Slots { pool, slots } in &self.slots {
            add(format!("{pool}={slots}"), Claim::slots(pool.clone(), *slots));
        }
        Ok(found)
    }
}

impl Claims {
    /// A refusal as whoever typed the claims can read it: each detail stands at what was typed, lengths of
    /// time in words. JSON output keeps both as they are.
    pub(super) fn explain(&self, context: &Context, fault: Fault) -> Fault {
        if context.output != Format::Human {
            return fault;
        }
        let typed = |at: &str| -> Option<String> {
            let index = at.strip_prefix("/claims/")?.split('/').next()?;
            self.typed.get(index.parse::<usize>().ok()?).cloned()
        };
        let details = fault.details.into_iter();
        let details = details.map(|mut detail| {
            detail.at = typed(&detail.at).unwrap_or(detail.at);
            detail.message = in_words(&detail.message).unwrap_or(detail.message);
            detail
        });
        Fault { details: details.collect(), ..fault }
    }
}

/// `… 299959 ms left …`, as a blocker is told, with `5m left`.
fn in_words(text: &str) -> Option<String> {
    let (before, after) = text.split_once(" ms left")?;
    let start = before.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let length_ms = before.strip_prefix(start)?.parse().ok()?;
    Some(format!("{start}{} left{after}", left(length_ms)))
}

/// One file if there is one, else the path with everything that may come to be below it.
fn of_path(repository: &Repository, typed: &std::path::Path, path: String) -> Claim {
    let found = repository.root.join(&path).symlink_metadata();
    let says_folder = typed.as_os_str().to_string_lossy().ends_with('/');
    if found.is_ok_and(|found| !found.is_dir()) && !says_folder {
        Claim::file(path)
    } else {
        Claim::path(path)
    }
}

/// A glob that counts from the current folder, as a line of a `.gitignore` there would, counted from the
/// root.
fn from_root(repository: &Repository, glob: &str) -> Result<String, String> {
    let prefix = repository.prefix().ok_or("stands in a folder whose name is not UTF-8")?;
    if prefix.is_empty() || glob.is_empty() || glob.starts_with('/') || glob.starts_with('!') {
        // Whatever is wrong with it, the service says.
        return Ok(glob.to_owned());
    }
    let is_anchored = glob.trim_end_matches('/').contains('/');
    let deep = if is_anchored { "" } else { "**/" };
    Ok(format!("{}/{deep}{glob}", escaped(prefix)))
}

/// A path as a glob that matches nothing else.
fn escaped(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for letter in path.chars() {
        if "*?[]{}!#\\ ".contains(letter) {
            glob.push('\\');
        }
        glob.push(letter);
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_a_pool_and_a_number() {
        let gpu = PoolName::new("gpu").unwrap();
        assert_eq!("gpu=2".parse(), Ok(Slots { pool: gpu.clone(), slots: 2 }));
        assert_eq!("gpu".parse(), Ok(Slots { pool: gpu, slots: 1 }));
        for bad in ["gpu=0", "gpu=-1", "gpu=x", "gpu=1000001", "=2", "GPU=1"] {
            assert!(bad.parse::<Slots>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_blocker_is_told_with_its_time_in_words() {
        use selvedge_contracts::{
            id::{Caller, LeaseId},
            payload::lease::{Blocker, LeaseState},
        };
        let blocker = Blocker {
            lease: LeaseId::new("lease_01").unwrap(),
            holder: Caller::new("ada-1a2b3c4d").unwrap(),
            purpose: "the login page".to_owned(),
            state: LeaseState::Held,
            claims: vec![Claim::path("src")],
            remaining_ms: 61_500,
            wanted: 0,
        };
        let told = in_words(&blocker.to_string()).unwrap();
        assert_eq!(told, "ada-1a2b3c4d holds path src (lease lease_01, 1m 2s left): the login page");
        assert_eq!(in_words("nothing of the sort"), None);
    }

    #[test]
    fn a_glob_counts_from_the_current_folder() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a b");
        std::fs::create_dir(&below).unwrap();
        let at = |current: &std::path::Path, glob: &str| {
            let git = std::process::Command::new("git").arg("init").arg(folder.path()).output().unwrap();
            assert!(git.status.success());
            from_root(&Repository::around(current).unwrap().unwrap(), glob).unwrap()
        };
        assert_eq!(at(folder.path(), "*.rs"), "*.rs");
        assert_eq!(at(&below, "*.rs"), "a\\ b/**/*.rs");
        assert_eq!(at(&below, "x/*.rs"), "a\\ b/x/*.rs");
        assert_eq!(at(&below, "target/"), "a\\ b/**/target/");
    }
}
