//! Which nats-server to connect to, and as whom: the first of settings, the variables of the NATS
//! tools, the selected context of the `nats` tool, and the default that says anything at all. Never
//! mixes a context's credentials with a server named elsewhere.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{Environment, Error, Nats, nats_context};

/// Where nats-server listens if nobody says otherwise.
const DEFAULT_URL: &str = "nats://127.0.0.1:4222";

/// A nats-server and the credentials to use there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Servers, separated by commas.
    pub url: String,
    /// A `.creds` file, if one is to be used.
    pub creds: Option<PathBuf>,
    /// Who named the server.
    pub origin: Origin,
}

/// Who named the server, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The setting `nats.url`.
    Setting,
    /// The variable `NATS_URL`.
    Variable,
    /// A context of the `nats` tool.
    Context {
        /// Its name.
        name: String,
    },
    /// Nobody: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting => f.write_str("setting nats.url"),
            Self::Variable => f.write_str("variable NATS_URL"),
            Self::Context { name } => write!(f, "nats context {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Nats {
    /// The server to connect to. Reads the context of the `nats` tool only if neither settings nor
    /// variables name a server or credentials.
    ///
    /// # Errors
    /// The context is needed, selected, and cannot be read.
    pub fn target(&self, environment: &Environment) -> Result<Target, Error> {
        let creds = self.creds.clone().or_else(|| environment.get("NATS_CREDS").map(PathBuf::from));
        if let Some(url) = &self.url {
            return Ok(Target { url: url.clone(), creds, origin: Origin::Setting });
        }
        if let Some(url) = environment.get("NATS_URL") {
            return Ok(Target { url: url.into(), creds, origin: Origin::Variable });
        }
        let context = match creds {
            Some(_) => None,
            None => nats_context::selected(environment)?,
        };
        Ok(context.map_or_else(
            || Target { url: DEFAULT_URL.into(), creds, origin: Origin::Default },
            |context| context.into_target(environment),
        ))
    }
}

impl nats_context::Context {
    fn into_target(self, environment: &Environment) -> Target {
        Target {
            url: if self.url.is_empty() { DEFAULT_URL.into() } else { self.url },
            creds: (!self.creds.is_empty()).then(|| from_home(&self.creds, environment)),
            origin: Origin::Context { name: self.name },
        }
    }
}

/// `path` with a leading `~/` replaced, as the `nats` tool does.
fn from_home(path: &str, environment: &Environment) -> PathBuf {
    match (path.strip_prefix("~/"), environment.get("HOME")) {
        (Some(below), Some(home)) => Path::new(home).join(below),
        _ => path.into(),
    }
}

#[cfg(test)]
mod tests;
