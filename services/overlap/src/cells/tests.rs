use super::*;
use crate::vector::{DIMENSIONS, dot, normalised};

fn vectors(count: u64) -> Vec<Vector> {
    let mut state = 7_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as i64 - (1 << 23)
    };
    (0..count).map(|_| normalised(&std::array::from_fn::<i64, DIMENSIONS, _>(|_| random()))).collect()
}

/// Makes cells, and moves into them what does not stay.
fn settle(cells: &mut Cells, count: usize, stays: impl Fn(u32) -> bool) {
    cells.open(training::centroids(&cells.tail_in_order(), count));
    let moves = training::nearest(&cells.tail_in_order(), &cells.centroids);
    for (slot, cell) in moves.into_iter().filter(|(slot, _)| !stays(*slot)) {
        let (_, place) = cells.places().find(|(other, _)| *other == slot).unwrap();
        let (settled, _) = cells.settle(place, slot, cell).unwrap();
        assert_eq!(settled.cell, cell);
        assert_eq!(cells.settle(settled, slot, cell), None, "only from the tail");
    }
}

fn filled(count: u64) -> (Cells, Vec<Vector>) {
    let vectors = vectors(count);
    let mut cells = Cells::default();
    for (slot, vector) in (0..).zip(&vectors) {
        cells.push(slot, *vector);
    }
    (cells, vectors)
}

#[test]
fn every_vector_is_in_one_place_before_and_after_settling() {
    let (mut cells, vectors) = filled(2_000);
    let stays = |slot| slot >= 1_900 || slot == 3;
    settle(&mut cells, 16, stays);
    assert_eq!(cells.tail.slots.len(), 101);
    assert_eq!(cells.cells.len(), 16);
    let mut places: Vec<_> = cells.places().collect();
    places.sort_unstable_by_key(|(slot, _)| *slot);
    assert_eq!(places.len(), 2_000);
    for ((slot, place), vector) in places.iter().zip(&vectors) {
        assert_eq!(cells.vector(*place), Some(vector), "{slot}");
        assert_eq!(place.cell == TAIL, stays(*slot));
    }
}

#[test]
fn a_scan_sees_the_tail_and_with_enough_budget_everything_once() {
    let (mut cells, vectors) = filled(2_000);
    settle(&mut cells, 16, |slot| slot >= 1_900);
    let scan = |budget| {
        let mut seen = Vec::new();
        cells.scan(&vectors[5], budget, |slot, product| {
            assert_eq!(product, dot(&vectors[5], &vectors[slot as usize]));
            seen.push(slot);
        });
        seen.sort_unstable();
        seen
    };
    assert_eq!(scan(usize::MAX), (0..2_000).collect::<Vec<_>>());
    let near = scan(1);
    assert!(near.len() < 1_000, "{}", near.len());
    assert!(near.contains(&5), "what is looked for stands in the nearest cell");
    assert!((1_900..2_000).all(|slot| near.contains(&slot)));
}

#[test]
fn a_removed_vector_leaves_no_hole() {
    let (mut cells, vectors) = filled(10);
    assert_eq!(cells.remove(Place { cell: TAIL, at: 2 }), Some(9));
    assert_eq!(cells.remove(Place { cell: TAIL, at: 8 }), None);
    assert_eq!(cells.tail.slots, [0, 1, 9, 3, 4, 5, 6, 7]);
    assert_eq!(cells.vector(Place { cell: TAIL, at: 2 }), Some(&vectors[9]));
    assert_eq!(cells.remove(Place::NONE), None);
}

#[test]
fn the_same_vectors_give_the_same_centroids() {
    let all = vectors(3_000);
    let all: Vec<(u32, &Vector)> = (0..).zip(&all).collect();
    let centroids = training::centroids(&all, 32);
    assert_eq!(centroids.len(), 32);
    assert_eq!(centroids, training::centroids(&all, 32));
    assert!(training::centroids(&[], 32).is_empty());
    assert_eq!(training::centroids(&all[..5], 32).len(), 5);
}
