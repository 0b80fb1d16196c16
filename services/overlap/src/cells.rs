//! Vectors, laid out for scanning. The newest and the pending stand in the tail, which is always scanned whole.
//! Once there are many, the rest stands in cells around centroids that never change again: a search scans the
//! cells whose centroids are nearest to what it looks for.

use crate::vector::{Vector, dot, dots};

mod training;

/// Vectors and the slots they belong to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    pub(crate) vectors: Vec<Vector>,
    pub(crate) slots: Vec<u32>,
}

/// Where a vector stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    cell: u32,
    at: u32,
}

/// The cell number that means the tail.
const TAIL: u32 = u32::MAX;

impl Place {
    /// Of a slot that has no vector.
    pub(crate) const NONE: Self = Self { cell: TAIL, at: u32::MAX };
}

impl Cell {
    fn push(&mut self, slot: u32, vector: Vector) -> u32 {
        let at = self.slots.len() as u32;
        if self.vectors.len() == self.vectors.capacity() {
            // Doubling would leave a quarter of all memory empty.
            let room = self.vectors.len() / 8 + 4;
            self.vectors.reserve_exact(room);
            self.slots.reserve_exact(room);
        }
        self.vectors.push(vector);
        self.slots.push(slot);
        at
    }

    fn bytes(&self) -> usize {
        self.vectors.capacity() * size_of::<Vector>() + self.slots.capacity() * size_of::<u32>()
    }
}

/// The tail, and the cells once there are many vectors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cells {
    pub(crate) tail: Cell,
    pub(crate) centroids: Vec<Vector>,
    pub(crate) cells: Vec<Cell>,
}

impl Cells {
    /// Puts a new vector into the tail.
    pub(crate) fn push(&mut self, slot: u32, vector: Vector) -> Place {
        Place { cell: TAIL, at: self.tail.push(slot, vector) }
    }

    fn cell_mut(&mut self, place: Place) -> Option<&mut Cell> {
        if place.cell == TAIL { Some(&mut self.tail) } else { self.cells.get_mut(place.cell as usize) }
    }

    /// The vector at a place.
    pub(crate) fn vector(&self, place: Place) -> Option<&Vector> {
        let cell = if place.cell == TAIL { Some(&self.tail) } else { self.cells.get(place.cell as usize) };
        cell?.vectors.get(place.at as usize)
    }

    /// Takes a vector out; gives back the slot that moved to its place, if one did.
    pub(crate) fn remove(&mut self, place: Place) -> Option<u32> {
        let cell = self.cell_mut(place)?;
        let at = place.at as usize;
        if at < cell.slots.len() {
            cell.vectors.swap_remove(at);
            cell.slots.swap_remove(at);
        }
        cell.slots.get(at).copied()
    }

    /// Makes cells out of the tail: as many as `count`, their centroids fitted to a part of it.
    pub(crate) fn train(&mut self, count: usize) {
        let mut order: Vec<_> = self.tail.slots.iter().zip(&self.tail.vectors).collect();
        order.sort_unstable_by_key(|(slot, _)| **slot);
        let vectors: Vec<&Vector> = order.into_iter().map(|(_, vector)| vector).collect();
        self.centroids = training::centroids(&vectors, count);
        self.cells = vec![Cell::default(); self.centroids.len()];
    }

    /// Moves from the tail into cells whatever `stays` does not hold there, oldest first, and tells `see` where
    /// everything that moved now is.
    pub(crate) fn settle(&mut self, stays: impl Fn(u32) -> bool, mut see: impl FnMut(u32, Place)) {
        if self.centroids.is_empty() {
            return;
        }
        let tail = std::mem::take(&mut self.tail);
        let mut order: Vec<(u32, Vector)> = tail.slots.into_iter().zip(tail.vectors).collect();
        order.sort_unstable_by_key(|(slot, _)| *slot);
        let mut products = Vec::new();
        for (slot, vector) in order {
            let place = if stays(slot) {
                self.push(slot, vector)
            } else {
                let cell = self.nearest(&vector, &mut products);
                let at = self.cells.get_mut(cell as usize).map_or(u32::MAX, |cell| cell.push(slot, vector));
                Place { cell, at }
            };
            see(slot, place);
        }
    }

    fn nearest(&self, vector: &Vector, products: &mut Vec<i32>) -> u32 {
        dots(vector, &self.centroids, products);
        let mut best = (i32::MIN, 0);
        for (cell, product) in (0..).zip(products.iter()) {
            if *product > best.0 {
                best = (*product, cell);
            }
        }
        best.1
    }

    /// Shows the products of a vector with all of the tail, and with about `budget` more of the nearest cells.
    pub(crate) fn scan(&self, vector: &Vector, budget: usize, mut see: impl FnMut(u32, i32)) {
        let mut products = Vec::new();
        let mut scan = |cell: &Cell| {
            dots(vector, &cell.vectors, &mut products);
            products.iter().zip(&cell.slots).for_each(|(product, slot)| see(*slot, *product));
        };
        scan(&self.tail);
        let mut order: Vec<(i32, u32)> =
            self.centroids.iter().zip(0..).map(|(centroid, cell)| (-dot(vector, centroid), cell)).collect();
        order.sort_unstable();
        let mut left = budget;
        for (_, cell) in order {
            let Some(cell) = self.cells.get(cell as usize) else { continue };
            scan(cell);
            left = left.saturating_sub(cell.slots.len());
            if left == 0 {
                break;
            }
        }
    }

    /// Gives every slot its new number.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        for cell in std::iter::once(&mut self.tail).chain(&mut self.cells) {
            for slot in &mut cell.slots {
                *slot = number(*slot).unwrap_or(*slot);
            }
        }
    }

    /// Every cell with its number, the tail first.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, Place)> {
        let numbered = std::iter::once((TAIL, &self.tail)).chain((0..).zip(&self.cells));
        numbered
            .flat_map(|(cell, all)| (0..).zip(&all.slots).map(move |(at, slot)| (*slot, Place { cell, at })))
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.tail.bytes()
            + self.cells.iter().map(|cell| cell.bytes() + size_of::<Cell>()).sum::<usize>()
            + self.centroids.len() * size_of::<Vector>()
    }
}

#[cfg(test)]
mod tests;
