//! The folder of a fabric, `.selvedge/`: keys, credentials, the child nats-server's files, and the
//! agents registered from here.
//!
//! | path | what | written by |
//! |---|---|---|
//! | `authority/` | operator, account and signing keys, revocations (0600) | `up`, `init`, `kluster create`, `agent revoke` |
//! | `creds/<kluster>/operator.creds` | the operator's credential | the same |
//! | `creds/<kluster>/<service>.creds` | each service's credential | the same |
//! | `agents/<kluster>/<agent>/identity.nk` | an agent's identity key | `agent register` |
//! | `agents/<kluster>/<agent>/<mission>.door.creds` | its right to start sessions | `agent register` |
//! | `agents/<kluster>/<agent>/<mission>.creds` | its session's credential | `agent register`, `agent creds` |
//! | `agents/<kluster>/<agent>/work/` | attempts, checks, copies of repositories | `worker`, `verifier` |
//! | `artifacts/<kluster>/` | content, unless the settings name another store | the service `artifacts` |
//! | `overlap/<kluster>/` | snapshots of the index, unless the settings name another place | the service `overlap` |
//! | `nats/` | the child nats-server's configuration, store, log | `up` |
//! | `lock` | held by the running `up` | `up` |
//! | `up.json` | where the running `up` listens | `up` |
//! | `selvedge.toml` | settings of this fabric | a person; `init`, if there is none |

use std::path::{Path, PathBuf};

use selvedge_contracts::id::{AgentId, KlusterName, Mission};

/// Name of the folder.
pub const FOLDER: &str = ".selvedge";

/// The folder of a fabric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The folder named, else the nearest `.selvedge` at or above `directory`, else the one that would
    /// be made in `directory`.
    pub fn find(named: Option<&Path>, directory: &Path) -> Self {
        if let Some(path) = named {
            return Self(path.to_owned());
        }
        let above = directory.ancestors().map(|folder| folder.join(FOLDER)).find(|folder| folder.is_dir());
        Self(above.unwrap_or_else(|| directory.join(FOLDER)))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Operator, account and signing keys.
    pub fn authority(&self) -> PathBuf {
        self.0.join("authority")
    }

    /// The operator's credential in a kluster.
    pub fn operator_creds(&self, kluster: &KlusterName) -> PathBuf {
        self.0.join("creds").join(kluster.as_str()).join("operator.creds")
    }

    /// A service's credential in a kluster.
    pub fn service_creds(&self, kluster: &KlusterName, service: &str) -> PathBuf {
        self.0.join("creds").join(kluster.as_str()).join(format!("{service}.creds"))
    }

    /// What a kluster's registry signs with.
    pub fn signers(&self, kluster: &KlusterName) -> PathBuf {
        self.authority().join("klusters").join(kluster.as_str()).join("registry")
    }

    /// Credentials of operators and services, by kluster.
    pub fn creds(&self) -> PathBuf {
        self.0.join("creds")
    }

    /// The agents registered from here, by kluster.
    pub fn all_agents(&self) -> PathBuf {
        self.0.join("agents")
    }

    /// Klusters with an operator's credential here, in order.
    pub fn klusters(&self) -> Vec<KlusterName> {
        let entries = std::fs::read_dir(self.0.join("creds")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| KlusterName::new(entry.file_name().to_str()?).ok());
        let mut names: Vec<_> = names.filter(|name| self.operator_creds(name).exists()).collect();
        names.sort();
        names
    }

    /// The agents registered from here.
    pub fn agents(&self, kluster: &KlusterName) -> PathBuf {
        self.0.join("agents").join(kluster.as_str())
    }

    /// One agent's identity key.
    pub fn identity(&self, kluster: &KlusterName, agent: &AgentId) -> PathBuf {
        self.agents(kluster).join(agent.as_str()).join("identity.nk")
    }

    /// One agent's right to start sessions in a mission.
    pub fn door(&self, kluster: &KlusterName, agent: &AgentId, mission: &Mission) -> PathBuf {
        self.agents(kluster).join(agent.as_str()).join(format!("{mission}.door.creds"))
    }

    /// One agent's session credential in a mission.
    pub fn session_creds(&self, kluster: &KlusterName, agent: &AgentId, mission: &Mission) -> PathBuf {
        self.agents(kluster).join(agent.as_str()).join(format!("{mission}.creds"))
    }

    /// Content of artifacts, unless the settings name another store.
    pub fn artifacts(&self) -> PathBuf {
        self.0.join("artifacts")
    }

    /// Snapshots of the index of what exists, unless the settings name another place.
    pub fn overlap(&self) -> PathBuf {
        self.0.join("overlap")
    }

    /// Keys that approvals are sealed with, a file for each kluster.
    pub fn approval_keys(&self) -> PathBuf {
        self.authority().join("approvals")
    }

    /// The committer's copies of remote repositories.
    pub fn repositories(&self) -> PathBuf {
        self.0.join("repositories")
    }

    /// The child nats-server's files.
    pub fn nats(&self) -> PathBuf {
        self.0.join("nats")
    }

    /// Held by the running `up`.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Settings of this fabric.
    pub fn settings(&self) -> PathBuf {
        self.0.join("selvedge.toml")
    }

    /// The fabric's settings file if it has one, unless `directory` has its own, which goes before it.
    pub fn settings_below(&self, directory: &Path) -> Option<PathBuf> {
        let settings = self.settings();
        (settings.exists() && !directory.join("selvedge.toml").exists()).then_some(settings)
    }

    /// Where the running `up` listens.
    pub fn up_state(&self) -> PathBuf {
        self.0.join("up.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_above_is_found() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(Home::find(None, &deep).path(), deep.join(FOLDER));
        std::fs::create_dir(root.path().join(FOLDER)).unwrap();
        assert_eq!(Home::find(None, &deep).path(), root.path().join(FOLDER));
        assert_eq!(Home::find(Some(Path::new("x")), &deep).path(), Path::new("x"));
    }
}
