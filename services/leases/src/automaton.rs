//! Automata over the bytes of paths, and whether two accept a path in common: a search through the pairs
//! of their states, exact. It visits a bounded number of pairs; beyond that it says yes, as a path that
//! could not be ruled out must not be given to two.

use std::sync::Arc;

/// A set of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// One.
    One(u8),
    /// All but `/`.
    Name,
    /// The bytes of a UTF-8 character after its first.
    Inner,
    /// All.
    Any,
    /// Those whose bit is set.
    Class(Arc<[u64; 4]>),
}

impl Bytes {
    fn has(&self, byte: u8) -> bool {
        match self {
            Self::One(one) => *one == byte,
            Self::Name => byte != b'/',
            Self::Inner => (0x80..0xC0).contains(&byte),
            Self::Any => true,
            Self::Class(bits) => {
                bits.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
            }
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(byte), other) | (other, Self::One(byte)) => other.has(*byte),
            (Self::Any | Self::Name | Self::Inner, Self::Any | Self::Name | Self::Inner) => true,
            _ => (0..=u8::MAX).any(|byte| self.has(byte) && other.has(byte)),
        }
    }
}

/// One step of an automaton; the next step is the next in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Exactly one byte of these.
    One(Bytes),
    /// Any number of these bytes.
    Many(Bytes),
    /// The next so many steps, or none of them.
    Skip(u8),
}

/// What may follow once all steps are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Below {
    /// Nothing.
    No,
    /// Nothing, or whatever lies below.
    May,
    /// Something that lies below.
    Must,
}

const BELOW: &[Step] =
    &[Step::Skip(3), Step::One(Bytes::One(b'/')), Step::One(Bytes::Any), Step::Many(Bytes::Any)];

impl Below {
    fn steps(self) -> &'static [Step] {
        match self {
            Self::No => &[],
            Self::May => BELOW,
            Self::Must => BELOW.get(1..).unwrap_or_default(),
        }
    }
}

/// An automaton: a start, and what may follow it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Automaton<'a> {
    start: Start<'a>,
    below: Below,
}

#[derive(Debug, Clone, Copy)]
enum Start<'a> {
    Steps(&'a [Step]),
    Literal(&'a [u8]),
}

/// What an automaton does in one state.
enum State<'a> {
    Literal(u8),
    Step(&'a Step),
    End,
}

impl<'a> Automaton<'a> {
    /// Accepts what the steps accept, and what follows.
    pub(crate) fn steps(steps: &'a [Step], below: Below) -> Self {
        Self { start: Start::Steps(steps), below }
    }

    /// Accepts this path, and what follows.
    pub(crate) fn literal(path: &'a str, below: Below) -> Self {
        Self { start: Start::Literal(path.as_bytes()), below }
    }

    fn len(&self) -> usize {
        let start = match self.start {
            Start::Steps(steps) => steps.len(),
            Start::Literal(bytes) => bytes.len(),
        };
        start + self.below.steps().len()
    }

    fn state(&self, at: usize) -> State<'a> {
        let (found, len) = match self.start {
            Start::Steps(steps) => (steps.get(at).map(State::Step), steps.len()),
            Start::Literal(bytes) => (bytes.get(at).map(|byte| State::Literal(*byte)), bytes.len()),
        };
        let follows = || self.below.steps().get(at.saturating_sub(len)).map_or(State::End, State::Step);
        found.unwrap_or_else(follows)
    }
}

impl State<'_> {
    /// How many states further on it may go without a byte.
    fn free_moves(&self) -> [Option<usize>; 2] {
        match self {
            Self::Step(Step::Many(_)) => [Some(1), None],
            Self::Step(Step::Skip(steps)) => [Some(1), Some(1 + usize::from(*steps))],
            _ => [None, None],
        }
    }

    /// The bytes it takes, and how many states further on it is then.
    fn takes(&self) -> Option<(Bytes, usize)> {
        match self {
            Self::Literal(byte) => Some((Bytes::One(*byte), 1)),
            Self::Step(Step::One(bytes)) => Some((bytes.clone(), 1)),
            Self::Step(Step::Many(bytes)) => Some((bytes.clone(), 0)),
            Self::Step(Step::Skip(_)) | Self::End => None,
        }
    }
}

/// How much searching one decision may cost, and the memory it searches with.
#[derive(Debug)]
pub(crate) struct Effort {
    left: u32,
    seen: Vec<u64>,
    open: Vec<(usize, usize)>,
}

/// Most pairs of states that one decision visits: milliseconds in the worst case. Its space waits meanwhile.
const MOST_PAIRS: u32 = 500_000;
/// Most pairs of states that one comparison visits, so that one hard pair leaves effort for the others.
const MOST_PAIRS_OF_ONE: u32 = 50_000;

/// So many pairs can be marked as new at the cost of a visit to one.
const NEW_AS_A_VISIT: usize = 1_024;

impl Effort {
    /// All that one decision may cost.
    pub(crate) fn new() -> Self {
        Self { left: MOST_PAIRS, seen: Vec::new(), open: Vec::new() }
    }

    /// What was spent of it.
    pub(crate) fn spent(&self) -> u32 {
        MOST_PAIRS - self.left
    }

    /// Whether some path is accepted by both. Never wrongly no.
    pub(crate) fn meet(&mut self, one: Automaton<'_>, other: Automaton<'_>) -> bool {
        let width = other.len() + 1;
        let pairs = (one.len() + 1) * width;
        // What making room for them costs counts too: else many easy pairs of long globs were free.
        let room = u32::try_from(pairs / NEW_AS_A_VISIT).unwrap_or(u32::MAX).saturating_add(1);
        if self.left < room {
            self.left = 0;
            return true;
        }
        self.left -= room;
        self.seen.clear();
        self.seen.resize(pairs.div_ceil(64), 0);
        self.open.clear();
        self.visit(0, 0, width);
        let mut left_here = MOST_PAIRS_OF_ONE;
        while let Some((i, j)) = self.open.pop() {
            if self.left == 0 || left_here == 0 {
                return true;
            }
            self.left -= 1;
            left_here -= 1;
            let (mine, theirs) = (one.state(i), other.state(j));
            if matches!((&mine, &theirs), (State::End, State::End)) {
                return true;
            }
            for step in mine.free_moves().into_iter().flatten() {
                self.visit(i + step, j, width);
            }
            for step in theirs.free_moves().into_iter().flatten() {
                self.visit(i, j + step, width);
            }
            if let (Some((mine, step)), Some((theirs, other_step))) = (mine.takes(), theirs.takes())
                && mine.meets(&theirs)
            {
                self.visit(i + step, j + other_step, width);
            }
        }
        false
    }

    fn visit(&mut self, i: usize, j: usize, width: usize) {
        let pair = i * width + j;
        if let Some(word) = self.seen.get_mut(pair / 64) {
            let bit = 1 << (pair % 64);
            if *word & bit == 0 {
                *word |= bit;
                self.open.push((i, j));
            }
        }
    }
}
