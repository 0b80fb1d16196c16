//! What an acquisition costs in a large space. `cargo test --release -p selvedge-leases measure -- --ignored
//! --nocapture` prints it.

use std::time::Instant;

use super::*;

const LEASES: usize = 100_000;
const GLOBS: usize = 10_000;
const ROUNDS: usize = 2_000;

fn limits() -> Limits {
    Limits { leases_per_holder: usize::MAX, ..Limits::default() }
}

/// 90,000 literal claims of 1,000 folders and 10,000 globs beside them, none of which clash.
fn live(literal: fn(String) -> Claim) -> Space {
    let mut space = Space::new(limits());
    for index in 0..LEASES - GLOBS {
        let claim = literal(format!("services/crate{}/src/module{index}.rs", index % 1_000));
        held(&acquire(&mut space, &want(&format!("l{index}"), "ada", &[claim], 0), 1));
    }
    for index in 0..GLOBS {
        let claim = match index % 4 {
            0 => Claim::files(format!("**/*.kind{index}")),
            1 => Claim::files(format!("docs/part{index}/**/*.md")),
            2 => Claim::files(format!("assets/*-{index}/*.png")),
            _ => Claim::files(format!("services/crate{}/tests/*_{index}.rs", index % 1_000)),
        };
        // An unanchored glob clashes with every claim on a folder: there it stands from a folder of its own.
        let claim = match (&claim, literal("a".into())) {
            (Claim::Files { glob, .. }, Claim::Path { .. }) if glob.starts_with("**") => {
                Claim::files(format!("data/{glob}"))
            }
            _ => claim,
        };
        held(&acquire(&mut space, &want(&format!("g{index}"), "bob", &[claim], 0), 1));
    }
    assert_eq!(space.len(), LEASES);
    space
}

fn measure(name: &str, space: &mut Space, claim: impl Fn(usize) -> Claim) {
    let (mut acquired, mut released, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let wanted = want(&format!("w{round}"), "cyd", &[claim(round)], 0);
        let start = Instant::now();
        let decision = space.acquire(&wanted, NOW_MS);
        let took = start.elapsed();
        match decision {
            Ok(_) => {
                acquired.push(took);
                let start = Instant::now();
                drop(space.release(&wanted.id, &wanted.holder, NOW_MS).unwrap());
                released.push(start.elapsed());
            }
            Err(_) => refused.push(took),
        }
    }
    for (what, mut took) in [("granted", acquired), ("refused", refused), ("released", released)] {
        took.sort();
        if let (Some(half), Some(most), Some(worst)) =
            (took.get(took.len() / 2), took.get(took.len() * 99 / 100), took.last())
        {
            println!(
                "{name:32} {what:8} {:6} times: p50 {half:?}, p99 {most:?}, worst {worst:?}",
                took.len()
            );
        }
    }
}

#[test]
#[ignore = "prints figures; run it alone and optimised"]
fn measure_a_large_space() {
    for (sort, literal) in [("files", Claim::file as fn(String) -> Claim), ("folders", Claim::path)] {
        let start = Instant::now();
        let mut space = live(literal);
        println!(
            "-- {LEASES} leases, {GLOBS} of them globs, literals are {sort}: made in {:?}",
            start.elapsed()
        );
        measure("file, free", &mut space, |round| {
            Claim::file(format!("services/crate{}/src/new.rs", round % 1_000))
        });
        measure("file, held", &mut space, |round| {
            Claim::file(format!("services/crate{}/src/module{}.rs", round % 1_000, round % 90_000))
        });
        measure("folder, free", &mut space, |round| {
            Claim::path(format!("services/crate{}/benches", round % 1_000))
        });
        measure("folder, held below", &mut space, |round| {
            Claim::path(format!("services/crate{}", round % 1_000))
        });
        measure("files of a folder, free", &mut space, |round| {
            Claim::files(format!("services/crate{}/src/*.toml", round % 1_000))
        });
        measure("glob of a folder, held", &mut space, |round| {
            Claim::glob(format!("services/crate{}/src/**/*.rs", round % 1_000))
        });
        measure("files of any folder, free", &mut space, |round| {
            Claim::files(format!("services/**/*.zig{}", round % 100))
        });
        measure("glob beside 2,500 globs, free", &mut space, |round| {
            Claim::glob(format!("assets/new{round}/*.png"))
        });
    }
}
