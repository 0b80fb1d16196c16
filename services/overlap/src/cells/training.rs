//! Centroids: k-means by direction, in integers, from a fixed start. The same vectors give the same centroids.

use crate::vector::{DIMENSIONS, Vector, dots, normalised};

/// Vectors for each centroid that are looked at.
const SAMPLE: usize = 20;
/// Rounds: later ones move little.
const ROUNDS: usize = 4;

/// At most `count` centroids of the vectors, which stand in an order that the changes alone decide.
pub(crate) fn centroids(vectors: &[(u32, &Vector)], count: usize) -> Vec<Vector> {
    let count = count.min(vectors.len());
    if count == 0 {
        return Vec::new();
    }
    let step = (vectors.len() / (count * SAMPLE)).max(1);
    let sample: Vec<&Vector> = vectors.iter().step_by(step).map(|(_, vector)| *vector).collect();
    let step = (sample.len() / count).max(1);
    let mut centroids: Vec<Vector> = sample.iter().step_by(step).take(count).map(|vector| **vector).collect();
    for _ in 0..ROUNDS {
        centroids = round(&sample, &centroids);
    }
    centroids
}

/// For each slot, the centroid that its vector is nearest to; of equals, the first.
pub(crate) fn nearest(vectors: &[(u32, &Vector)], centroids: &[Vector]) -> Vec<(u32, u32)> {
    let mut products = Vec::new();
    let mut cell_of = |vector: &Vector| {
        dots(vector, centroids, &mut products);
        let mut best = (i32::MIN, 0);
        for (cell, product) in (0..).zip(&products) {
            if *product > best.0 {
                best = (*product, cell);
            }
        }
        best.1
    };
    vectors.iter().map(|(slot, vector)| (*slot, cell_of(vector))).collect()
}

/// Each centroid becomes the middle of the vectors that are nearest to it; one without any stays.
fn round(sample: &[&Vector], centroids: &[Vector]) -> Vec<Vector> {
    let mut sums = vec![[0_i64; DIMENSIONS]; centroids.len()];
    let numbered: Vec<(u32, &Vector)> = (0..).zip(sample.iter().copied()).collect();
    for ((_, cell), vector) in nearest(&numbered, centroids).into_iter().zip(sample) {
        for (sum, value) in sums.get_mut(cell as usize).into_iter().flatten().zip(vector.iter()) {
            *sum += i64::from(*value);
        }
    }
    let moved = sums
        .iter()
        .zip(centroids)
        .map(|(sums, centroid)| if sums.iter().all(|sum| *sum == 0) { *centroid } else { normalised(sums) });
    moved.collect()
}
