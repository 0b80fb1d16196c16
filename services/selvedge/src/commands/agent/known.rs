//! What is known of an agent before it registers: its key, and what it said of itself.

use std::path::{Path, PathBuf};

use clap::Args;
use selvedge_contracts::{
    id::{AgentName, KlusterName},
    payload::agent::About,
};
use selvedge_kit::authority::UserKey;

use crate::{
    agent_folder::{AgentFolder, forget_pending_key, pending_key},
    exit::Failure,
    home::Home,
};

/// What the agent says of itself; what is not said stays as it was.
#[derive(Debug, Args)]
pub(super) struct Says {
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// The program that runs it.
    #[arg(long)]
    program: Option<String>,
    /// The model behind it.
    #[arg(long)]
    model: Option<String>,
    /// What it can do; repeat for more.
    #[arg(long = "capability", value_name = "TEXT")]
    capabilities: Vec<String>,
}

impl Says {
    pub(super) fn over(self, before: About) -> About {
        About {
            description: self.description.or(before.description),
            program: self.program.or(before.program),
            model: self.model.or(before.model),
            capabilities: if self.capabilities.is_empty() { before.capabilities } else { self.capabilities },
        }
    }
}

/// What is known here of the agent before it registers.
pub(super) struct Known {
    pub(super) key: UserKey,
    pending: Option<PathBuf>,
    pub(super) about: About,
}

impl Known {
    /// The key named, else that of the agent of this name, else one that waits for its agent.
    pub(super) fn find(
        home: &Home,
        kluster: &KlusterName,
        name: &AgentName,
        key: Option<&Path>,
    ) -> Result<Self, Failure> {
        if let Some(path) = key {
            return Ok(Self { key: UserKey::read_or_create(path)?, pending: None, about: About::default() });
        }
        if let Some(known) = Self::kept(home, kluster, name)? {
            return Ok(known);
        }
        let pending = pending_key(home, kluster, name);
        let key = UserKey::read_or_create(&pending)?;
        // Another registration may have become an agent since, and forgotten the key that waited.
        match Self::kept(home, kluster, name)? {
            Some(known) => {
                forget_pending_key(&pending);
                Ok(known)
            }
            None => Ok(Self { key, pending: Some(pending), about: About::default() }),
        }
    }

    /// The agent of this name, if it has a folder here.
    fn kept(home: &Home, kluster: &KlusterName, name: &AgentName) -> Result<Option<Self>, Failure> {
        if AgentFolder::meant(home, kluster, name.as_str())?.is_empty() {
            return Ok(None);
        }
        let folder = AgentFolder::find(home, kluster, name.as_str())?;
        Ok(Some(Self { key: folder.identity()?, pending: None, about: folder.record.about }))
    }

    pub(super) fn forget_pending(&self) {
        if let Some(path) = &self.pending {
            forget_pending_key(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::id::AgentId;

    use super::*;
    use crate::agent_folder::Record;

    #[test]
    fn an_interrupted_registration_goes_on_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::find(Some(folder.path()), folder.path());
        let (kluster, name) = (KlusterName::new("main").unwrap(), AgentName::new("ada").unwrap());
        let key = || Known::find(&home, &kluster, &name, None).unwrap();
        let first = key().key.public().unwrap();
        let again = key();
        assert_eq!(again.key.public().unwrap(), first);
        let id = AgentId::new("ada-1a2b3c4d").unwrap();
        let record = Record { id, name: name.clone(), url: String::new(), about: About::default() };
        AgentFolder::keep(&home, &kluster, record, &again.key).unwrap();
        again.forget_pending();
        assert!(!pending_key(&home, &kluster, &name).exists());
        assert_eq!(key().key.public().unwrap(), first, "the agent's folder has the key now");
    }

    #[test]
    fn what_is_not_said_stays_as_it_was() {
        let before = About {
            model: Some("m-1".to_owned()),
            capabilities: vec!["rust".to_owned()],
            ..About::default()
        };
        let says =
            Says { description: Some("d".to_owned()), program: None, model: None, capabilities: vec![] };
        let after = says.over(before.clone());
        assert_eq!(after, About { description: Some("d".to_owned()), ..before });
    }
}
