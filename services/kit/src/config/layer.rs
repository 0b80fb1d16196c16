//! The layers and how they lie on each other. A layer is a table that knows where it came from; a
//! key the bottom layer does not have is refused before anything is merged, so that the refusal can
//! name the file or variable.

use std::path::{Path, PathBuf};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};
use serde::de::DeserializeOwned;

use super::{DEFAULTS, Environment, Error};

/// Variables that begin so and contain [`SECTION_END`] are settings.
const VARIABLE_PREFIX: &str = "SELVEDGE_";
/// Stands between section and key. Variables without it (`SELVEDGE_NATS_SERVER`) are no settings.
const SECTION_END: &str = "__";
/// Where a settings file is looked for if none is named; the first wins.
const FILES: &[&str] = &["selvedge.toml", ".selvedge/selvedge.toml"];

struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// The settings of `file` and `environment` over the defaults.
pub(super) fn extract<T: DeserializeOwned>(
    file: Option<&Path>,
    environment: &Environment,
) -> Result<T, Error> {
    let defaults = defaults()?;
    let mut figment = Figment::new();
    let mut above = file.map(from_file).transpose()?.into_iter().collect::<Vec<_>>();
    above.extend(from_environment(environment, &defaults.values));
    for layer in &above {
        check_known(layer, &layer.values, &defaults.values, "")?;
    }
    figment = figment.merge(defaults);
    Ok(above.into_iter().fold(figment, Figment::merge).extract()?)
}

/// The settings file of `directory`, if it has one.
pub(super) fn file_in(directory: &Path) -> Option<PathBuf> {
    FILES.iter().map(|name| directory.join(name)).find(|path| path.exists())
}

fn defaults() -> Result<Layer, Error> {
    let path = "deploy/selvedge.toml";
    let values = parse(path.as_ref(), DEFAULTS)?;
    Ok(Layer { origin: format!("built-in {path}"), values })
}

fn from_file(path: &Path) -> Result<Layer, Error> {
    let text =
        std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.into(), source })?;
    Ok(Layer { origin: path.display().to_string(), values: parse(path, &text)? })
}

fn parse(path: &Path, text: &str) -> Result<Dict, Error> {
    Toml::from_str(text).map_err(|source| Error::Syntax { path: path.into(), source })
}

/// One layer per variable, so that an error can name it.
fn from_environment(environment: &Environment, defaults: &Dict) -> Vec<Layer> {
    environment.iter().filter_map(|(name, text)| from_variable(name, text, defaults)).collect()
}

fn from_variable(name: &str, text: &str, defaults: &Dict) -> Option<Layer> {
    let (section, key) = name.strip_prefix(VARIABLE_PREFIX)?.split_once(SECTION_END)?;
    let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
    let default = defaults.get(&section).and_then(Value::as_dict).and_then(|keys| keys.get(&key));
    let keys = Dict::from([(key, from_text(text, default))]);
    let values = Dict::from([(section, Value::from(keys))]);
    Some(Layer { origin: format!("variable {name}"), values })
}

/// Taken as written where the setting is a text; otherwise read as TOML would be.
fn from_text(text: &str, default: Option<&Value>) -> Value {
    match default {
        Some(Value::String(..)) => Value::from(text),
        _ => text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
    }
}

fn check_known(layer: &Layer, found: &Dict, known: &Dict, above: &str) -> Result<(), Error> {
    for (name, value) in found {
        let key = format!("{above}{name}");
        let Some(default) = known.get(name) else {
            let (origin, known) = (layer.origin.clone(), known.keys().cloned().collect());
            return Err(Error::Unknown { key, origin, known });
        };
        if let (Some(found), Some(known)) = (value.as_dict(), default.as_dict()) {
            check_known(layer, found, known, &format!("{key}."))?;
        }
    }
    Ok(())
}
