use std::fs;

use super::*;
use crate::config::Config;

/// A home with the contexts `local` (selected), `broken` and `bare`.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let contexts = home.path().join(".config/nats/context");
    fs::create_dir_all(&contexts).unwrap();
    let local = r#"{"description": "x", "url": "nats://ctx:4222", "creds": "~/a.creds"}"#;
    fs::write(contexts.join("local.json"), local).unwrap();
    fs::write(contexts.join("bare.json"), "{}").unwrap();
    fs::write(contexts.join("broken.json"), "{").unwrap();
    fs::write(contexts.join("../context.txt"), "local\n").unwrap();
    home
}

fn target(file: &str, home: &Path, more: &[(&str, &str)]) -> Result<Target, Error> {
    let variables = [("HOME", home.to_str().unwrap())];
    let environment: Environment = variables.iter().chain(more).copied().collect();
    let settings = home.join("selvedge.toml");
    fs::write(&settings, file).unwrap();
    let none = Environment::default();
    Config::load(Some(&settings), home, &none).unwrap().nats.target(&environment)
}

#[test]
fn a_setting_wins_over_a_variable_and_that_over_the_context() {
    let home = home();
    let variables = [("NATS_URL", "nats://env"), ("NATS_CREDS", "/env.creds")];
    let set = target("[nats]\nurl = \"nats://set\"", home.path(), &variables).unwrap();
    let from_setting = Origin::Setting;
    let creds = Some(PathBuf::from("/env.creds"));
    let expected = Target { url: "nats://set".into(), creds, origin: from_setting };
    assert_eq!(set, expected);
    let from_variable = Target { url: "nats://env".into(), origin: Origin::Variable, ..set };
    assert_eq!(target("", home.path(), &variables).unwrap(), from_variable);
    let context = target("", home.path(), &[]).unwrap();
    assert_eq!(context.url, "nats://ctx:4222");
    assert_eq!(context.creds, Some(home.path().join("a.creds")));
    assert_eq!(context.origin.to_string(), "nats context local");
}

#[test]
fn a_server_named_elsewhere_never_gets_the_credentials_of_the_context() {
    let home = home();
    let named = target("", home.path(), &[("NATS_URL", "nats://env")]).unwrap();
    assert_eq!(named.creds, None);
    let with_creds = target("[nats]\ncreds = \"/set.creds\"", home.path(), &[]).unwrap();
    assert_eq!(with_creds.url, "nats://127.0.0.1:4222");
    assert_eq!(with_creds.creds, Some(PathBuf::from("/set.creds")));
}

#[test]
fn without_a_context_it_is_this_machine() {
    let empty = tempfile::tempdir().unwrap();
    let found = target("", empty.path(), &[]).unwrap();
    assert_eq!((found.url.as_str(), found.creds), ("nats://127.0.0.1:4222", None));
    assert_eq!(found.origin, Origin::Default);
    assert_eq!(
        Config::load(None, empty.path(), &Environment::default())
            .unwrap()
            .nats
            .target(&Environment::default())
            .unwrap()
            .origin,
        Origin::Default
    );
}

#[test]
fn nats_context_and_xdg_config_home_are_respected() {
    let home = home();
    let bare = target("", home.path(), &[("NATS_CONTEXT", "bare")]).unwrap();
    assert_eq!(bare.url, "nats://127.0.0.1:4222");
    assert_eq!(bare.origin, Origin::Context { name: "bare".into() });
    let config = home.path().join(".config");
    let elsewhere = [("HOME", "/nowhere"), ("XDG_CONFIG_HOME", config.to_str().unwrap())];
    assert_eq!(target("", home.path(), &elsewhere).unwrap().url, "nats://ctx:4222");
}

#[test]
fn a_context_that_cannot_be_used_is_named() {
    let home = home();
    let refusal = |name| target("", home.path(), &[("NATS_CONTEXT", name)]).unwrap_err().to_string();
    let path = |name: &str| home.path().join(format!(".config/nats/context/{name}.json"));
    let missing = path("missing");
    assert_eq!(
        refusal("missing"),
        format!("cannot read the nats context `missing` in {}", missing.display())
    );
    let broken = path("broken");
    assert_eq!(
        refusal("broken"),
        format!("the nats context `broken` in {} is not as expected", broken.display())
    );
    assert_eq!(refusal("../local"), "`../local` cannot be the name of a nats context");
}
