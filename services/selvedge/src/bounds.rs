//! What workers and verifiers may be told about the commands that they run: what those may read, write and reach,
//! what they find in their environment, and where their folders are.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;

use crate::{
    connect::Context,
    exit::Failure,
    sandbox::{Grants, Isolation, Reach, Rules, Wish, choose, real},
};

/// What commands may do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bounds {
    /// By what commands are held to their bounds.
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    sandbox: Wish,
    /// Commands may also read and run what is at this place; repeat for more.
    #[arg(long = "read", value_name = "PATH")]
    read: Vec<PathBuf>,
    /// Commands may also write there; repeat for more.
    #[arg(long = "write", value_name = "PATH")]
    write: Vec<PathBuf>,
    /// Commands may use the network, also where their task does not declare it.
    #[arg(long)]
    network: bool,
    /// Commands find this variable in their environment as it is here; repeat for more.
    #[arg(long = "pass-env", value_name = "NAME")]
    pub(crate) pass: Vec<String>,
    /// Folder for workspaces, instead of one in the agent's own.
    #[arg(long, value_name = "DIR")]
    pub(crate) work_folder: Option<PathBuf>,
}

/// What always is passed on, beside `PATH`.
const PASSED: [&str; 2] = ["LANG", "TERM"];
/// Where programs are looked for if `PATH` is not set.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What holds for every command of one process.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// By what it is enforced.
    pub(crate) isolation: Isolation,
    common: Grants,
    network: bool,
    passed: Vec<(OsString, OsString)>,
}

impl Bounds {
    /// What holds on this machine; `passed` names variables beside those that were named.
    ///
    /// # Errors
    /// [`Failure::Usage`] if what was asked for does not work here, or would open the fabric's folder.
    pub(crate) fn held(&self, context: &Context, passed: &[&str], network: bool) -> Result<Held, Failure> {
        let hidden = hidden(context);
        let mut common = Grants::of_system(Some(&path()), &hidden);
        common.read.extend(std::env::current_exe().ok().and_then(|exe| real(&exe)));
        for (places, granted) in [(&self.read, &mut common.read), (&self.write, &mut common.write)] {
            for place in places {
                granted.push(granted_place(place, &hidden)?);
            }
        }
        let names =
            PASSED.iter().chain(passed).map(|name| (*name).to_owned()).chain(self.pass.iter().cloned());
        let named = names.filter_map(|name| Some((OsString::from(&name), std::env::var_os(&name)?)));
        let passed = std::iter::once(("PATH".into(), path())).chain(named).collect();
        Ok(Held { isolation: choose(self.sandbox)?, common, network: network || self.network, passed })
    }
}

fn hidden(context: &Context) -> PathBuf {
    real(context.home.path()).unwrap_or_else(|| context.home.path().to_owned())
}

fn granted_place(place: &Path, hidden: &Path) -> Result<PathBuf, Failure> {
    let found = place.canonicalize().with_context(|| format!("cannot look up {}", place.display()))?;
    if hidden.starts_with(&found) || found.starts_with(hidden) {
        return Err(Failure::usage(format!(
            "{} holds the fabric's keys or lies among them: name what lies beside {}",
            place.display(),
            hidden.display()
        )));
    }
    Ok(found)
}

impl Held {
    /// The program that is named, by its whole path if it is named by one: as seen from where this process runs, since
    /// commands run elsewhere. It may be read, if it is no part of the fabric's folder.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is none, or it lies among the fabric's keys.
    pub(crate) fn program(&mut self, context: &Context, named: &OsStr) -> Result<OsString, Failure> {
        let text = named.to_string_lossy();
        if text.contains('{') {
            return Ok(named.to_owned()); // what stands there is known when there is a task
        }
        if !text.contains('/') {
            return match on_path(&text) {
                true => Ok(named.to_owned()),
                false => Err(Failure::usage(format!("there is no program {text} on PATH"))),
            };
        }
        let found = Path::new(named).canonicalize().ok().filter(|found| found.is_file());
        let Some(found) = found else {
            return Err(Failure::usage(format!(
                "there is no program {text} here; for one of the checkout say: sh -c {text}"
            )));
        };
        let program = granted_place(&found, &hidden(context))?;
        self.common.read.push(program.clone());
        Ok(program.into())
    }

    /// The rules for one command: `read` and `write` are its own, `network` says that its task declares it, and
    /// `reach` what it may reach otherwise.
    pub(crate) fn rules(
        &self,
        read: Vec<PathBuf>,
        write: Vec<PathBuf>,
        network: bool,
        reach: Reach,
    ) -> Rules {
        let mut grants = self.common.clone();
        grants.read.extend(read);
        grants.write.extend(write);
        grants.reach = if network || self.network { Reach::All } else { reach };
        Rules { isolation: self.isolation.clone(), grants }
    }

    /// What every command finds in its environment.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        self.passed.clone()
    }
}

/// The port of an address as `nats://host:4222`, if it names one.
pub(crate) fn port(url: &str) -> Option<u16> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ',']).next()?;
    host.rsplit_once(':')?.1.parse().ok()
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into())
}

/// Whether a program of this name is on `PATH`.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::split_paths(&path()).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_address_is_read() {
        for (url, expected) in [
            ("nats://127.0.0.1:4222", Some(4222)),
            ("tls://[::1]:4333/x", Some(4333)),
            ("127.0.0.1:1", Some(1)),
            ("nats://a:1,nats://b:2", Some(1)),
            ("nats://host", None),
        ] {
            assert_eq!(port(url), expected, "{url}");
        }
    }

    #[test]
    fn no_place_may_be_named_that_opens_the_fabrics_folder() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let hidden = root.join(".selvedge");
        for folder in [".selvedge/authority", "tools"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for bad in [root.clone(), hidden.clone(), hidden.join("authority"), root.join("tools/../.selvedge")] {
            let refused = granted_place(&bad, &hidden).unwrap_err();
            assert!(refused.to_string().contains("keys"), "{refused}");
        }
        assert_eq!(granted_place(&root.join("tools"), &hidden).unwrap(), root.join("tools"));
    }
}
