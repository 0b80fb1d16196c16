//! Contexts of the `nats` command line tool, read only.
//!
//! Layout, below `$XDG_CONFIG_HOME/nats` or else `~/.config/nats`: `context.txt` holds the name of the
//! selected context (`NATS_CONTEXT` names another), `context/<name>.json` a context. Of its fields only
//! `url` and `creds` are used.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Environment, Error};

/// What a context says of the server and of who connects.
#[derive(Debug, Deserialize)]
pub(super) struct Context {
    #[serde(skip)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) creds: String,
}

/// The selected context, if one is.
pub(super) fn selected(environment: &Environment) -> Result<Option<Context>, Error> {
    let Some(folder) = folder(environment) else {
        return Ok(None);
    };
    let selected = match environment.get("NATS_CONTEXT") {
        Some(name) => Some(name.to_owned()),
        // Most machines have no such file; one that cannot be read selects nothing either.
        None => fs::read_to_string(folder.join("context.txt")).ok(),
    };
    match selected.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(name) => read(&folder, name).map(Some),
    }
}

fn folder(environment: &Environment) -> Option<PathBuf> {
    let config = match environment.get("XDG_CONFIG_HOME") {
        Some(config) => PathBuf::from(config),
        None => Path::new(environment.get("HOME")?).join(".config"),
    };
    Some(config.join("nats"))
}

fn read(folder: &Path, name: &str) -> Result<Context, Error> {
    // As the tool itself: a name is one file name.
    if name.contains(['/', '\\']) || name.contains("..") {
        return Err(Error::ContextName { name: name.chars().take(64).collect() });
    }
    let path = folder.join("context").join(format!("{name}.json"));
    let unreadable =
        |source: io::Error| Error::ContextUnreadable { name: name.into(), path: path.clone(), source };
    let text = fs::read_to_string(&path).map_err(unreadable)?;
    let context: Context = serde_json::from_str(&text).map_err(|source| Error::ContextSyntax {
        name: name.into(),
        path: path.clone(),
        source,
    })?;
    Ok(Context { name: name.into(), ..context })
}
