//! What comes from files, standard input and the command line's own small notations.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    str::FromStr,
};

use anyhow::Context as _;
use selvedge_contracts::{
    envelope::MAX_BODY_BYTES,
    id::{ContractName, EntityId},
};
use serde_json::Value;

use crate::exit::Failure;

/// The text of a file, or of standard input for `-`.
///
/// # Errors
/// [`Failure`] if it cannot be read or is larger than a message may be.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    if path.as_os_str() == "-" {
        return bounded(io::stdin().lock(), "standard input");
    }
    let name = path.display().to_string();
    bounded(File::open(path).with_context(|| format!("cannot read {name}"))?, &name)
}

fn bounded(source: impl Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let most = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX);
    source.take(most + 1).read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    if text.len() > MAX_BODY_BYTES {
        return Err(Failure::usage(format!("{name} is larger than {MAX_BODY_BYTES} bytes")));
    }
    Ok(text)
}

/// The JSON of a file, or of standard input for `-`.
///
/// # Errors
/// [`Failure::Usage`] if it is no JSON, else as [`text`].
pub(crate) fn json(path: &Path) -> Result<Value, Failure> {
    parse_json(&text(path)?, &path.display().to_string())
}

/// A text that must be JSON.
///
/// # Errors
/// [`Failure::Usage`] says where it is not.
pub(crate) fn parse_json(text: &str, name: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::usage(format!("{name} is not JSON: {error}")))
}

/// A file of JSON or YAML, or standard input for `-`: what begins as a JSON object or list is JSON.
///
/// # Errors
/// [`Failure::Usage`] says where it is neither, else as [`text`].
pub(crate) fn document(path: &Path) -> Result<Value, Failure> {
    let (text, name) = (text(path)?, path.display().to_string());
    if text.trim_start().starts_with(['{', '[']) {
        return parse_json(&text, &name);
    }
    // What is no type of ours yet: `yes` is a word.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&text, options)
        .map_err(|error| Failure::usage(format!("{name} is not YAML: {error}")))
}

/// A length of time as people write it, in milliseconds: `90s`, `1h`, `1h 30m`.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
    let length =
        humantime::parse_duration(text).map_err(|error| format!("{error}; expected 90s, 15m, 1h 30m"))?;
    u64::try_from(length.as_millis()).map_err(|_| "too long".to_owned())
}

/// A contract, and one of its versions if one is named: `research.summary/2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContractReference {
    /// Its name.
    pub name: ContractName,
    /// Its version; the newest if absent.
    pub version: Option<u32>,
}

impl FromStr for ContractReference {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) =
            text.split_once('/').map_or((text, None), |(name, version)| (name, Some(version)));
        let name = ContractName::new(name).map_err(|error| error.to_string())?;
        let number =
            |text: &str| text.parse().map_err(|_| format!("{text:?} is no version: expected 1, 2, …"));
        Ok(Self { name, version: version.map(number).transpose()? })
    }
}

impl ContractReference {
    /// The entity of that version.
    pub(crate) fn entity(&self) -> Option<EntityId> {
        self.version.map(|version| self.name.version_id(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        assert_eq!(milliseconds("1h 30m"), Ok(5_400_000));
        assert_eq!(milliseconds("250ms"), Ok(250));
        assert!(milliseconds("soon").unwrap_err().contains("expected 90s"));
    }

    #[test]
    fn a_document_is_json_or_yaml() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = folder.path().join("file");
            std::fs::write(&path, text).unwrap();
            document(&path)
        };
        let same = serde_json::json!({ "title": "yes", "tasks": [{ "id": "a", "n": 1 }] });
        assert_eq!(read(&same.to_string()).unwrap(), same);
        assert_eq!(read("title: yes\ntasks:\n  - {id: a, n: 1}\n").unwrap(), same);
        assert!(read("{\"a\": }").unwrap_err().to_string().contains("is not JSON"));
        assert!(read("a: [1").unwrap_err().to_string().contains("is not YAML"));
    }

    #[test]
    fn a_contract_is_named_with_or_without_its_version() {
        let newest: ContractReference = "research.summary".parse().unwrap();
        assert_eq!((newest.version, newest.entity()), (None, None));
        let second: ContractReference = "research.summary/2".parse().unwrap();
        assert_eq!(second.entity().unwrap().as_str(), "research:summary:00002");
        assert!("research.summary/two".parse::<ContractReference>().is_err());
        assert!("Research/1".parse::<ContractReference>().is_err());
    }
}
