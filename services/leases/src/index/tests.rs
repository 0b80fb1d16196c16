//! The index against a look at everything.

use std::collections::BTreeSet;

use proptest::prelude::*;
use selvedge_contracts::payload::claim::Claim;

use super::*;

fn claim() -> impl Strategy<Value = Claim> {
    let name = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("ba")];
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let part = prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just("*"),
        Just("a*"),
        Just("*b"),
        Just("?"),
        Just("**")
    ];
    let glob = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let name = prop_oneof![Just("x"), Just("y")].prop_map(|name| ResourceName::new(name).unwrap());
    let claim = prop_oneof![
        3 => path.clone().prop_map(Claim::path),
        3 => path.prop_map(Claim::file),
        3 => glob.clone().prop_map(Claim::glob),
        1 => glob.clone().prop_map(|glob| Claim::glob(format!("{glob}/"))),
        3 => glob.prop_map(Claim::files),
        1 => Just(Claim::path(".")),
        1 => name.prop_map(Claim::resource),
    ];
    (claim, prop_oneof![3 => Just(Mode::Exclusive), 1 => Just(Mode::Shared)])
        .prop_map(|(claim, mode)| claim.with_mode(mode))
}

fn claims() -> impl Strategy<Value = Vec<Cover>> {
    prop::collection::vec(claim(), 1..3)
        .prop_map(|claims| claims.iter().map(|claim| Cover::of(claim).unwrap()).collect())
}

fn clash(one: &[Cover], other: &[Cover]) -> bool {
    one.iter().any(|one| other.iter().any(|other| one.clashes(other, &mut Effort::new())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_index_finds_what_a_look_at_everything_finds(
        held in prop::collection::vec((claims(), any::<bool>()), 0..12),
        wanted in claims(),
    ) {
        let mut index = Index::default();
        for (key, (covers, _)) in (0..).zip(&held) {
            index.insert(Key(key), covers);
        }
        for (key, (covers, stays)) in (0..).zip(&held) {
            if !stays {
                index.remove(Key(key), covers);
            }
        }
        let expected: BTreeSet<Key> = (0..)
            .map(Key)
            .zip(&held)
            .filter(|(_, (covers, stays))| *stays && clash(covers, &wanted))
            .map(|(key, _)| key)
            .collect();
        let found: BTreeSet<Key> =
            index.clashing(&wanted, |_| true, usize::MAX).into_iter().map(|clash| clash.key).collect();
        prop_assert_eq!(&found, &expected);
        let some = index.clashing(&wanted, |_| true, 1);
        prop_assert_eq!(some.len(), expected.len().min(1));
        for clash in some {
            let (covers, _) = &held[usize::try_from(clash.key.0).unwrap()];
            let named = &covers[clash.held[0] as usize];
            prop_assert!(wanted[clash.wanted as usize].clashes(named, &mut Effort::new()), "the named claims clash");
        }
    }

    #[test]
    fn an_index_that_lost_all_holds_nothing(held in prop::collection::vec(claims(), 0..12)) {
        let mut index = Index::default();
        for (key, covers) in (0..).zip(&held) {
            index.insert(Key(key), covers);
        }
        for (key, covers) in (0..).zip(&held) {
            index.remove(Key(key), covers);
        }
        prop_assert_eq!(format!("{index:?}"), format!("{:?}", Index::default()));
    }
}
