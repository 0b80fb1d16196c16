//! Room for uploads on their way: how much of the store one caller may take before anything of it is
//! verified. Content of known size takes its room when it is begun; a stream takes more as it grows.
//!
//! It is written down first and added up then, so of two that take the last room at one instant none gets
//! too much; both may be told to come again.

use selvedge_contracts::fault::Fault;
use selvedge_kit::service::Answer;

use crate::{
    state::Artifacts,
    store::{Place, Record},
};

/// A stream takes room by so many bytes at once: adding up what is taken means to read every record.
const STEP_BYTES: u64 = 256 << 20;

impl Artifacts {
    /// Begins an upload, and takes its room.
    ///
    /// # Errors
    /// `invalid` if it is larger than all the room there may be, `conflict` if others of the caller hold too
    /// much of it.
    pub(crate) async fn begin(&self, place: &Place, record: &Record) -> Answer<()> {
        let taken = self.take(place, record).await;
        if taken.is_err() {
            self.store.end(place).await?;
        }
        taken
    }

    /// Takes more room for a stream that reaches up to `end` now.
    ///
    /// # Errors
    /// As [`Artifacts::begin`].
    pub(crate) async fn reach(&self, place: &Place, record: &Record, end: u64) -> Answer<()> {
        if end <= record.room_bytes() {
            return Ok(());
        }
        let with = |room_bytes| Record { room_bytes: Some(room_bytes), ..record.clone() };
        if self.take(place, &with(end.next_multiple_of(STEP_BYTES))).await.is_ok() {
            return Ok(());
        }
        let taken = self.take(place, &with(end)).await;
        if taken.is_err() {
            self.store.begin(place, record).await?;
        }
        taken
    }

    async fn take(&self, place: &Place, record: &Record) -> Answer<()> {
        let (wanted, most) = (record.room_bytes(), self.max_staged_bytes);
        if wanted > most {
            return Err(too_large(wanted, most));
        }
        self.store.begin(place, record).await?;
        let taken = self.store.room_taken(place).await?;
        if taken > most { Err(no_room(wanted, taken - wanted, most)) } else { Ok(()) }
    }
}

fn too_large(wanted: u64, most: u64) -> Fault {
    let message = format!("an upload may take {most} bytes before it is verified, and this takes {wanted}");
    Fault::invalid(message).at("/size_bytes", "put it in parts, or raise artifacts.max_staged_bytes")
}

fn no_room(wanted: u64, others: u64, most: u64) -> Fault {
    let message = format!(
        "your uploads may take {most} bytes before they are verified: this takes {wanted}, and others on their way {others}"
    );
    // Not `busy`: asking again does not help until one of them is over.
    Fault::conflict(message).at(
        "/size_bytes",
        "finish one first, abandon it (`selvedge artifact put --abort`, or artifacts.put_abort), or raise artifacts.max_staged_bytes",
    )
}
