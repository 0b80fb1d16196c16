//! What this machine keeps of an agent that was registered from here: its identity key, its record,
//! and its credentials of each mission. Layout: see [`crate::home`].
//!
//! An identity key lies in `agents/<kluster>/.<name>.nk` until the agent's id is known, so that an
//! interrupted registration goes on with the same key.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use selvedge_contracts::{
    id::{AgentId, AgentName, KlusterName, Mission},
    payload::agent::About,
};
use selvedge_kit::authority::{Credential, UserKey, files};
use serde::{Deserialize, Serialize};

use crate::{exit::Failure, home::Home};

/// What is kept of an agent besides keys: `agent.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The agent.
    pub id: AgentId,
    /// Its name, by which commands may call it too.
    pub name: AgentName,
    /// Where it registered, for machines without an `up` of their own.
    pub url: String,
    /// What it said of itself last.
    #[serde(default)]
    pub about: About,
}

/// An agent registered from here.
#[derive(Debug, Clone)]
pub(crate) struct AgentFolder {
    home: Home,
    kluster: KlusterName,
    /// Its record.
    pub record: Record,
}

impl AgentFolder {
    /// Makes the folder, or renews what it says.
    pub(crate) fn keep(
        home: &Home,
        kluster: &KlusterName,
        record: Record,
        key: &UserKey,
    ) -> Result<Self, Failure> {
        key.write(&home.identity(kluster, &record.id))?;
        Self::adopt(home, kluster, record)
    }

    /// Makes the folder of an agent whose key is not here, or renews what it says.
    pub(crate) fn adopt(home: &Home, kluster: &KlusterName, record: Record) -> Result<Self, Failure> {
        let folder = Self { home: home.clone(), kluster: kluster.clone(), record };
        files::make_folder(&folder.path())?;
        let text = serde_json::to_string_pretty(&folder.record).context("cannot write the agent's record")?;
        files::write(&folder.path().join(RECORD), &text)?;
        Ok(folder)
    }

    /// Every agent registered from here, in order of id. A folder without a record is none.
    pub(crate) fn all(home: &Home, kluster: &KlusterName) -> Result<Vec<Self>, Failure> {
        let folder = home.agents(kluster);
        let paths = files::names(&folder)?.into_iter().map(|name| folder.join(name).join(RECORD));
        paths.filter(|path| path.exists()).map(|path| Self::read(home, kluster, &path)).collect()
    }

    fn read(home: &Home, kluster: &KlusterName, path: &Path) -> Result<Self, Failure> {
        let record = serde_json::from_str(&files::read(path)?)
            .with_context(|| format!("{} is no agent's record", path.display()))?;
        Ok(Self { home: home.clone(), kluster: kluster.clone(), record })
    }

    /// The agents that `text` may mean: the one with this id, else those of this name.
    pub(crate) fn meant(home: &Home, kluster: &KlusterName, text: &str) -> Result<Vec<Self>, Failure> {
        let mut all = Self::all(home, kluster)?;
        if let Some(at) = all.iter().position(|folder| folder.record.id.as_str() == text) {
            return Ok(vec![all.swap_remove(at)]);
        }
        all.retain(|folder| folder.record.name.as_str() == text);
        Ok(all)
    }

    /// The one agent that `text` means.
    pub(crate) fn find(home: &Home, kluster: &KlusterName, text: &str) -> Result<Self, Failure> {
        let mut meant = Self::meant(home, kluster, text)?;
        match (meant.pop(), meant.is_empty()) {
            (Some(folder), true) => Ok(folder),
            (Some(_), false) => Err(Failure::usage(format!(
                "several agents named {text} are registered from {}: say which by its id",
                home.path().display()
            ))),
            (None, _) => Err(Failure::usage(format!(
                "no agent {text} of kluster {kluster} is registered from {}; `selvedge agent register` does it, --home names another folder",
                home.path().display()
            ))),
        }
    }

    /// The agent's id, if it is registered from here; else `text` must be one.
    pub(crate) fn id_meant(home: &Home, kluster: &KlusterName, text: &str) -> Result<AgentId, Failure> {
        if Self::meant(home, kluster, text)?.is_empty()
            && let Ok(id) = AgentId::new(text)
        {
            return Ok(id);
        }
        Self::find(home, kluster, text).map(|folder| folder.record.id)
    }

    fn path(&self) -> PathBuf {
        self.home.agents(&self.kluster).join(self.record.id.as_str())
    }

    /// File of its identity key.
    pub(crate) fn identity_path(&self) -> PathBuf {
        self.home.identity(&self.kluster, &self.record.id)
    }

    /// File of the key that is to replace it.
    pub(crate) fn next_identity_path(&self) -> PathBuf {
        self.path().join("identity.nk.new")
    }

    /// Its identity key.
    pub(crate) fn identity(&self) -> Result<UserKey, Failure> {
        Ok(UserKey::read(&self.identity_path())?)
    }

    /// Puts the next identity key, which the registry has, in the place of the present one. Of that one
    /// nothing stays.
    pub(crate) fn promote_next_identity(&self) -> Result<(), Failure> {
        Ok(files::move_to(&self.next_identity_path(), &self.identity_path())?)
    }

    /// Its right to start sessions in a mission.
    pub(crate) fn door(&self, mission: &Mission) -> Result<Credential, Failure> {
        Ok(Credential::read(&self.home.door(&self.kluster, &self.record.id, mission))?)
    }

    /// Keeps its right to start sessions in a mission.
    pub(crate) fn keep_door(&self, mission: &Mission, door: &Credential) -> Result<(), Failure> {
        Ok(door.write(&self.home.door(&self.kluster, &self.record.id, mission))?)
    }

    /// File of its session's credential.
    pub(crate) fn creds_path(&self, mission: &Mission) -> PathBuf {
        self.home.session_creds(&self.kluster, &self.record.id, mission)
    }

    /// Removes the credentials of its sessions: they are about to end, and must not be renewed before.
    pub(crate) fn forget_sessions(&self) -> Result<(), Failure> {
        let paths = self.missions()?.into_iter().map(|mission| self.creds_path(&mission));
        for path in paths.filter(|path| path.exists()) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Missions in which it may start sessions.
    pub(crate) fn missions(&self) -> Result<Vec<Mission>, Failure> {
        let names = files::names(&self.path())?;
        let missions = names.iter().filter_map(|name| Mission::new(name.strip_suffix(DOOR_SUFFIX)?).ok());
        Ok(missions.collect())
    }

    /// The mission named, else the only one there is.
    pub(crate) fn mission(&self, named: Option<&Mission>) -> Result<Mission, Failure> {
        let known = self.missions()?;
        let list = known.iter().map(Mission::as_str).collect::<Vec<_>>().join(", ");
        let agent = &self.record.id;
        match (named, known.as_slice()) {
            (Some(named), _) if known.contains(named) => Ok(named.clone()),
            (Some(named), _) => Err(Failure::usage(format!(
                "{agent} has no door to mission {named} here, only to: {list}; `selvedge agent register {} --mission {named}` gives it a role there",
                self.record.name
            ))),
            (None, [only]) => Ok(only.clone()),
            (None, _) => {
                Err(Failure::usage(format!("{agent} is in several missions; say --mission, one of: {list}")))
            }
        }
    }
}

/// File of the key of a registration under way.
pub(crate) fn pending_key(home: &Home, kluster: &KlusterName, name: &AgentName) -> PathBuf {
    home.agents(kluster).join(format!(".{name}.nk"))
}

/// Forgets the key of a registration that was under way: the agent's folder has it now.
pub(crate) fn forget_pending_key(path: &Path) {
    // Left behind, it would only be used again for the same name, which finds the same agent.
    let _ = fs::remove_file(path);
}

const RECORD: &str = "agent.json";
const DOOR_SUFFIX: &str = ".door.creds";

#[cfg(test)]
mod tests;
