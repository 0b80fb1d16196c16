//! The book as JSON, and back: part of a snapshot.

use std::collections::{BTreeMap, VecDeque};

use selvedge_contracts::payload::overlap::{CreationState, Tuning};
use serde::{Deserialize, Serialize};

use super::{Book, Record, index_id, number_of};
use crate::{Decision, service::names::Names};

/// A record, its numbers in a row.
#[derive(Serialize, Deserialize)]
struct Row(String, [u32; 3], Option<u32>, Box<str>, [CreationState; 2], [u64; 5], [Option<String>; 2]);

#[derive(Serialize, Deserialize)]
struct Kept {
    sequence: u64,
    last: [u8; 32],
    names: Names,
    tunings: BTreeMap<u32, Tuning>,
    decisions: VecDeque<(u32, Decision)>,
    records: Vec<Row>,
}

impl Serialize for Book {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = |(number, record): (&u128, &Record)| {
            Row(
                index_id(*number),
                [record.mission, record.what, record.agent],
                record.owner,
                record.id.clone(),
                [record.state, record.said],
                [record.there, record.place, record.placed_at_ms, record.revision, record.expires_at_ms],
                [&record.into, &record.part_of].map(|link| link.get().map(index_id)),
            )
        };
        let kept = Kept {
            sequence: self.sequence,
            last: self.last,
            names: self.names.clone(),
            tunings: self.tunings.clone(),
            decisions: self.decisions.clone(),
            records: self.records.iter().map(row).collect(),
        };
        kept.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Book {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Kept { sequence, last, names, tunings, decisions, records } = Kept::deserialize(deserializer)?;
        let mut book = Self { sequence, last, names, tunings, decisions, ..Self::default() };
        for Row(number, [mission, what, agent], owner, id, [state, said], numbers, links) in records {
            let [there, place, placed_at_ms, revision, expires_at_ms] = numbers;
            let [into, part_of] = links.map(|id| id.as_deref().map(number_of).into());
            let record = Record {
                mission,
                what,
                agent,
                owner,
                id,
                state,
                said,
                there,
                place,
                placed_at_ms,
                revision,
                expires_at_ms,
                into,
                part_of,
            };
            book.put_in(number_of(&number), record);
        }
        Ok(book)
    }
}
