//! Logistic regression by Newton's method with a ridge, over standardised shares. What rules add stays as it is
//! set by hand, and is fitted around.

use selvedge_overlap::{NAMES, ONE, Weights};

use crate::lists::List;

const N: usize = NAMES.len();
/// Shares, and one for the bias.
const M: usize = N + 1;

struct Row {
    shares: [f64; N],
    /// What rules add, in logits.
    rules: f64,
    is_right: bool,
}

/// Shares that cost much and were seen to add nothing: an index need not work them out for every candidate while
/// they count nothing.
const LEFT_OUT: [usize; 4] = [0, 2, 3, 10];

/// The weights that fit these lists. More of a likeness never lowers a score, and another kind of work never
/// raises it: what comes out the other way round is left out, and the rest fitted anew.
pub(crate) fn fit(lists: &[&List], ridge: f64) -> Weights {
    let fixed = Weights { bias: 0, shares: [0; N], ..Weights::default() };
    let candidates = lists.iter().flat_map(|list| &list.candidates);
    let mut rows: Vec<Row> = candidates
        .map(|candidate| Row {
            shares: candidate.features.shares.map(|share| f64::from(share) / f64::from(ONE)),
            rules: f64::from(fixed.logit(&candidate.features)) / 1000.0,
            is_right: candidate.is_right,
        })
        .collect();
    for row in &mut rows {
        LEFT_OUT.iter().for_each(|left_out| row.shares[*left_out] = 0.0);
    }
    loop {
        let weights = unbound(&rows, fixed.clone(), ridge);
        let is_wrong = |i: usize| if i == N - 1 { weights.shares[i] > 0 } else { weights.shares[i] < 0 };
        let Some(worst) = (0..N).filter(|i| is_wrong(*i)).min_by_key(|i| -weights.shares[*i].abs()) else {
            return weights;
        };
        rows.iter_mut().for_each(|row| row.shares[worst] = 0.0);
    }
}

fn unbound(rows: &[Row], mut weights: Weights, ridge: f64) -> Weights {
    let count = rows.len() as f64;
    let mean: [f64; N] = std::array::from_fn(|i| rows.iter().map(|row| row.shares[i]).sum::<f64>() / count);
    let spread: [f64; N] = std::array::from_fn(|i| {
        (rows.iter().map(|row| (row.shares[i] - mean[i]).powi(2)).sum::<f64>() / count).sqrt().max(1e-6)
    });
    let found = newton(rows, &mean, &spread, ridge);
    let mut bias = found[N];
    for i in 0..N {
        weights.shares[i] = (1000.0 * found[i] / spread[i]).round() as i32;
        bias -= found[i] * mean[i] / spread[i];
    }
    weights.bias = (1000.0 * bias).round() as i32;
    weights
}

fn newton(rows: &[Row], mean: &[f64; N], spread: &[f64; N], ridge: f64) -> [f64; M] {
    let mut found = [0.0; M];
    for _ in 0..25 {
        let mut slope = [0.0; M];
        let mut curve = [[0.0; M]; M];
        for i in 0..M {
            let ridge = if i < N { ridge } else { 1e-9 };
            slope[i] = -ridge * found[i];
            curve[i][i] = ridge;
        }
        for row in rows {
            let x: [f64; M] =
                std::array::from_fn(|i| if i < N { (row.shares[i] - mean[i]) / spread[i] } else { 1.0 });
            let logit = x.iter().zip(&found).map(|(x, w)| x * w).sum::<f64>() + row.rules;
            let p = 1.0 / (1.0 + (-logit).exp());
            let off = f64::from(u8::from(row.is_right)) - p;
            for i in 0..M {
                slope[i] += off * x[i];
                for j in 0..M {
                    curve[i][j] += p * (1.0 - p) * x[i] * x[j];
                }
            }
        }
        let step = solve(curve, slope);
        found.iter_mut().zip(step).for_each(|(found, step)| *found += step);
        if step.iter().all(|step| step.abs() < 1e-6) {
            break;
        }
    }
    found
}

/// Gauss with the largest pivot.
fn solve(mut a: [[f64; M]; M], mut b: [f64; M]) -> [f64; M] {
    for i in 0..M {
        let pivot = (i..M).max_by(|x, y| a[*x][i].abs().total_cmp(&a[*y][i].abs())).unwrap();
        a.swap(i, pivot);
        b.swap(i, pivot);
        for j in i + 1..M {
            let part = a[j][i] / a[i][i];
            let row = a[i];
            a[j].iter_mut().zip(row).for_each(|(to, from)| *to -= part * from);
            b[j] -= part * b[i];
        }
    }
    for i in (0..M).rev() {
        let rest: f64 = (i + 1..M).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - rest) / a[i][i];
    }
    b
}
