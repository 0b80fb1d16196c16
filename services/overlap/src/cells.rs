//! Vectors, laid out for scanning. The newest and the pending stand in the tail, which is always scanned whole.
//! Once there are many, the rest stands in cells around centroids that never change again: a search scans the
//! cells whose centroids are nearest to what it looks for.

use crate::vector::{Vector, dots};

pub(crate) mod training;

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

    /// Gives memory back once little of it is used.
    pub(crate) fn shrink(&mut self) {
        if self.vectors.capacity() > 4 * self.vectors.len() {
            self.vectors.shrink_to(2 * self.vectors.len());
            self.slots.shrink_to(2 * self.slots.len());
        }
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

    /// The vectors of the tail by their slots.
    pub(crate) fn tail_in_order(&self) -> Vec<(u32, &Vector)> {
        let mut order: Vec<_> = self.tail.slots.iter().copied().zip(&self.tail.vectors).collect();
        order.sort_unstable_by_key(|(slot, _)| *slot);
        order
    }

    /// Opens empty cells around centroids.
    pub(crate) fn open(&mut self, centroids: Vec<Vector>) {
        self.cells = vec![Cell::default(); centroids.len()];
        self.centroids = centroids;
    }

    /// Moves the vector of a slot from the tail to a cell: gives back its new place, and the slot that moved to
    /// its old one, if one did.
    pub(crate) fn settle(&mut self, place: Place, slot: u32, cell: u32) -> Option<(Place, Option<u32>)> {
        if place.cell != TAIL {
            return None;
        }
        let vector = *self.vector(place)?;
        let at = self.cells.get_mut(cell as usize)?.push(slot, vector);
        Some((Place { cell, at }, self.remove(place)))
    }

    /// Shows the products of a vector with all of the tail, and with about `budget` more of the nearest cells.
    pub(crate) fn scan(&self, vector: &Vector, budget: usize, mut see: impl FnMut(u32, i32)) {
        let mut products = Vec::new();
        let mut scan = |cell: &Cell, products: &mut Vec<i32>| {
            dots(vector, &cell.vectors, products);
            products.iter().zip(&cell.slots).for_each(|(product, slot)| see(*slot, *product));
        };
        scan(&self.tail, &mut products);
        dots(vector, &self.centroids, &mut products);
        let mut order: Vec<(i32, u32)> = products.iter().map(|product| -product).zip(0..).collect();
        order.sort_unstable();
        let mut left = budget;
        for (_, cell) in order {
            let Some(cell) = self.cells.get(cell as usize) else { continue };
            scan(cell, &mut products);
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
