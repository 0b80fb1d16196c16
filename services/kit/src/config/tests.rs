use std::{collections::BTreeSet, error::Error as _, fs};

use figment::{
    Figment,
    providers::{Format, Toml},
    value::{Dict, Value},
};

use super::*;

fn variables(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

/// The settings of a folder with `file` as its `selvedge.toml`.
fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, Error> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("selvedge.toml"), file).unwrap();
    let loaded = Config::load(None, folder.path(), &variables(environment));
    // The folder's name is random: it is taken out of the origin of errors.
    loaded.map_err(|error| match error {
        Error::Value { key, expected, found, .. } if environment.is_empty() => {
            Error::Value { key, origin: "FILE".into(), expected, found }
        }
        Error::Unknown { key, known, .. } if environment.is_empty() => {
            Error::Unknown { key, origin: "FILE".into(), known }
        }
        other => other,
    })
}

fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
    load(file, environment).unwrap_err().to_string()
}

#[test]
fn the_defaults_alone_are_settings() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.nats.url, None);
    assert_eq!(config.nats.creds, None);
    assert_eq!(config.server.host.to_string(), "127.0.0.1");
    assert_eq!(config.server.sync_interval, SyncInterval::Always);
    assert_eq!(config.server.max_store_bytes, None);
    assert_eq!(config.service.max_in_flight, 1024);
    assert_eq!(config.telemetry.log_format, LogFormat::Human);
    assert_eq!(config.telemetry.listen, None);
}

/// Every key of the defaults, as `(section, key)`.
fn keys() -> Vec<(String, String)> {
    let defaults: Dict = Toml::from_str(DEFAULTS).unwrap();
    let of = |(section, keys): (&String, &Value)| {
        let keys = keys.as_dict().unwrap().keys();
        keys.map(|key| (section.clone(), key.clone())).collect::<Vec<_>>()
    };
    defaults.iter().flat_map(of).collect()
}

#[test]
fn every_setting_stands_in_the_defaults_and_everything_there_is_a_setting() {
    // An unknown key would be refused by `deny_unknown_fields`.
    Figment::from(Toml::string(DEFAULTS)).extract::<Config>().unwrap();
    // A field that is not in the file would be missing, and none may be left out there.
    for (section, key) in keys() {
        let mut without: Dict = Toml::from_str(DEFAULTS).unwrap();
        let Some(Value::Dict(_, keys)) = without.get_mut(&section) else { panic!("{section}") };
        keys.remove(&key);
        let extracted = Figment::from(figment::providers::Serialized::defaults(without));
        let error = extracted.extract::<Config>().unwrap_err().to_string();
        assert!(error.contains(&format!("missing field `{key}`")), "{section}.{key}: {error}");
    }
}

#[test]
fn every_setting_has_its_sentence() {
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    let explained = lines.windows(2).filter(|pair| pair[0].starts_with("# "));
    let explained: BTreeSet<&str> =
        explained.filter_map(|pair| pair[1].split_once(" = ")).map(|(key, _)| key).collect();
    for (section, key) in keys() {
        assert!(explained.contains(key.as_str()), "{section}.{key} has no comment above it");
    }
}

#[test]
fn a_file_lies_over_the_defaults_and_variables_over_the_file() {
    let file = "[service]\nwrite_attempts = 7\ndrain_ms = 8\n";
    let config = load(file, &[("SELVEDGE_SERVICE__DRAIN_MS", "9")]).unwrap();
    assert_eq!(config.service.max_in_flight, 1024);
    assert_eq!(config.service.write_attempts, 7);
    assert_eq!(config.service.drain_ms, 9);
}

#[test]
fn a_named_file_replaces_the_one_in_the_folder_and_that_the_one_in_dot_selvedge() {
    let folder = tempfile::tempdir().unwrap();
    let port =
        |file: Option<&Path>| Config::load(file, folder.path(), &Environment::default()).unwrap().server.port;
    assert_eq!(port(None), 4222);
    fs::create_dir(folder.path().join(".selvedge")).unwrap();
    fs::write(folder.path().join(".selvedge/selvedge.toml"), "[server]\nport = 1").unwrap();
    assert_eq!(port(None), 1);
    fs::write(folder.path().join("selvedge.toml"), "[server]\nport = 2").unwrap();
    assert_eq!(port(None), 2);
    let named = folder.path().join("other.toml");
    fs::write(&named, "[server]\nport = 3").unwrap();
    assert_eq!(port(Some(&named)), 3);
}

#[test]
fn a_variable_for_a_text_is_taken_as_written() {
    let config = load("", &[("SELVEDGE_NATS__CREDS", "1234"), ("SELVEDGE_NATS__URL", "[a]")]);
    let nats = config.unwrap().nats;
    assert_eq!(nats.creds, Some(PathBuf::from("1234")));
    assert_eq!(nats.url.as_deref(), Some("[a]"));
}

#[test]
fn variables_without_a_section_are_no_settings() {
    load("", &[("SELVEDGE_NATS_SERVER", "/bin/nats-server"), ("OTHER__KEY", "1")]).unwrap();
}

#[test]
fn an_unknown_key_is_refused_with_where_it_stands_and_what_exists() {
    assert_eq!(
        refusal("[telemetry]\nlogs = \"info\"", &[]),
        "there is no setting `telemetry.logs` (FILE); known there: listen, log, log_format"
    );
    assert_eq!(
        refusal("[telemetri]\nlog = \"info\"", &[]),
        "there is no setting `telemetri` (FILE); known there: artifacts, committer, dispatcher, governance, leases, nats, overlap, server, service, telemetry"
    );
    let of_variable = [
        ("SELVEDGE_TELEMETRY__LOGS", "telemetry.logs", "listen, log, log_format"),
        (
            "SELVEDGE_LOG__LEVEL",
            "log",
            "artifacts, committer, dispatcher, governance, leases, nats, overlap, server, service, telemetry",
        ),
    ];
    for (name, key, known) in of_variable {
        let expected = format!("there is no setting `{key}` (variable {name}); known there: {known}");
        assert_eq!(refusal("", &[(name, "info")]), expected);
    }
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_what_is_expected_and_found() {
    let cases = [
        ("service.max_in_flight = \"many\"", "a whole number that fits usize, found \"many\""),
        ("service.max_in_flight = 0", "at least 1, found 0"),
        ("service.drain_ms = -1", "a whole number that fits u64, found -1"),
        ("server.port = 70000", "a whole number that fits u16, found 70000"),
        ("server.host = \"localhost\"", "an IP address, found \"localhost\""),
        ("server.replicas = 2", "1 or 3, found 2"),
        ("server.max_revoked_keys = 0", "1 to 5000, found 0"),
        ("server.max_revoked_keys = 5001", "1 to 5000, found 5001"),
        (
            "server.sync_interval = \"1d\"",
            "\"always\" or an interval such as \"500ms\", \"10s\", \"2m\" or \"1h\", found \"1d\"",
        ),
        ("server.max_store_bytes = 1.5", "a whole number that fits u64, found 1.5"),
        ("telemetry.log = 3", "a text, found 3"),
        ("telemetry.log_format = \"xml\"", "one of human, json, found \"xml\""),
        ("telemetry.listen = \"9464\"", "an IP address and a port, or empty, found \"9464\""),
        ("nats.url = [\"a\"]", "a text, found sequence"),
        ("nats = 3", "a section, found 3"),
    ];
    for (line, expected) in cases {
        let key = line.split_once(" =").unwrap().0;
        assert_eq!(refusal(line, &[]), format!("setting `{key}` (FILE) must be {expected}"));
    }
}

#[test]
fn a_wrong_variable_is_named() {
    assert_eq!(
        refusal("[server]\nport = 1", &[("SELVEDGE_SERVER__PORT", "http")]),
        "setting `server.port` (variable SELVEDGE_SERVER__PORT) must be a whole number that fits \
         u16, found \"http\""
    );
    assert_eq!(
        refusal("", &[("SELVEDGE_TELEMETRY__LOG_FORMAT", "xml")]),
        "setting `telemetry.log_format` (variable SELVEDGE_TELEMETRY__LOG_FORMAT) must be one of \
         human, json, found \"xml\""
    );
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("here.toml");
    let refusal = || Config::load(Some(&path), folder.path(), &Environment::default()).unwrap_err();
    assert_eq!(refusal().to_string(), format!("cannot read the settings file {}", path.display()));
    fs::write(&path, "[nats\nurl = 1").unwrap();
    let error = refusal();
    assert_eq!(error.to_string(), format!("the settings file {} is not TOML", path.display()));
    let source = error.source().unwrap().to_string();
    assert!(source.contains("line 1"), "{source}");
}
