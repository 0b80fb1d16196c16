//! Rules of this repository: dependencies point down, and only the kit names the NATS client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The workspace's own crates that a manifest depends on, development aside.
fn own_dependencies(manifest: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest).join("Cargo.toml")).unwrap();
    let (_, after) = text.split_once("[dependencies]").unwrap();
    let dependencies = after.split("\n[").next().unwrap();
    dependencies
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| name.starts_with("selvedge"))
        .map(str::to_owned)
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn dependencies_point_down() {
    let expected: [(&str, &[&str]); 11] = [
        ("contracts", &[]),
        ("services/kit", &["selvedge-contracts"]),
        ("services/registry", &["selvedge-contracts", "selvedge-kit"]),
        ("services/leases", &["selvedge-contracts", "selvedge-kit"]),
        ("services/artifacts", &["selvedge-contracts", "selvedge-kit"]),
        ("services/governance", &["selvedge-contracts", "selvedge-kit"]),
        ("services/committer", &["selvedge-contracts", "selvedge-kit"]),
        ("services/overlap", &["selvedge-contracts", "selvedge-kit"]),
        ("services/dispatcher", &["selvedge-contracts", "selvedge-kit"]),
        ("services/eval", &["selvedge-contracts", "selvedge-kit"]),
        (
            "services/selvedge",
            &[
                "selvedge-artifacts",
                "selvedge-committer",
                "selvedge-contracts",
                "selvedge-dispatcher",
                "selvedge-eval",
                "selvedge-governance",
                "selvedge-kit",
                "selvedge-leases",
                "selvedge-overlap",
                "selvedge-registry",
            ],
        ),
    ];
    for (manifest, below) in expected {
        let below: BTreeSet<String> = below.iter().map(ToString::to_string).collect();
        assert_eq!(own_dependencies(manifest), below, "{manifest}");
    }
}

#[test]
fn only_the_kit_names_the_nats_client() {
    let mut found = Vec::new();
    for folder in [
        "contracts/src",
        "services/registry/src",
        "services/leases/src",
        "services/artifacts/src",
        "services/governance/src",
        "services/committer/src",
        "services/dispatcher/src",
        "services/eval/src",
        "services/overlap/src",
        "services/selvedge/src",
    ] {
        sources(&root().join(folder), &mut found);
    }
    assert!(found.len() > 50, "{} sources seen", found.len());
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let names_it =
            text.lines().any(|line| line.contains("async_nats::") && !line.trim_start().starts_with("//"));
        assert!(!names_it, "{} names async_nats", path.display());
    }
}

/// What `cargo tree` says of the features that a build has, without anything that only tests need.
fn features_of(packages: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO"));
    command.current_dir(root()).args(["tree", "--offline", "-e", "features,no-dev", "--prefix", "none"]);
    for package in packages {
        command.args(["-p", package]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nothing_that_is_built_to_be_used_can_have_its_guards_broken() {
    for packages in [&["selvedge"][..], &["selvedge", "selvedge-bench"], &["selvedge-tests"]] {
        let features = features_of(packages);
        assert!(features.contains("selvedge-kit feature \"default\""), "{features}");
        assert!(!features.contains("sabotage"), "{packages:?} is built with the feature sabotage");
    }
}
