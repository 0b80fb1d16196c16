//! Centroids: k-means by direction, in integers, from a fixed start. The same vectors give the same centroids.

use crate::vector::{DIMENSIONS, Vector, dots, normalised};

/// Vectors for each centroid that are looked at.
const SAMPLE: usize = 20;
/// Rounds: later ones move little.
const ROUNDS: usize = 4;

/// At most `count` centroids of the vectors.
pub(crate) fn centroids(vectors: &[&Vector], count: usize) -> Vec<Vector> {
    let count = count.min(vectors.len());
    if count == 0 {
        return Vec::new();
    }
    let step = (vectors.len() / (count * SAMPLE)).max(1);
    let sample: Vec<&Vector> = vectors.iter().step_by(step).copied().collect();
    let step = (sample.len() / count).max(1);
    let mut centroids: Vec<Vector> = sample.iter().step_by(step).take(count).map(|vector| **vector).collect();
    for _ in 0..ROUNDS {
        centroids = round(&sample, &centroids);
    }
    centroids
}

/// Each centroid becomes the middle of the vectors that are nearest to it; one without any stays.
fn round(sample: &[&Vector], centroids: &[Vector]) -> Vec<Vector> {
    let mut sums = vec![[0_i64; DIMENSIONS]; centroids.len()];
    let mut products = Vec::new();
    for vector in sample {
        dots(vector, centroids, &mut products);
        let mut best = (i32::MIN, None);
        for (sum, product) in sums.iter_mut().zip(&products) {
            if *product > best.0 {
                best = (*product, Some(sum));
            }
        }
        for (sum, value) in best.1.into_iter().flatten().zip(vector.iter()) {
            *sum += i64::from(*value);
        }
    }
    let moved = sums
        .iter()
        .zip(centroids)
        .map(|(sums, centroid)| if sums.iter().all(|sum| *sum == 0) { *centroid } else { normalised(sums) });
    moved.collect()
}
