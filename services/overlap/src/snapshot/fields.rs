//! Numbers, bytes and lists, written into frames and read from them.

use super::frames;
use crate::error::SnapshotError;

/// Bytes that are read at a time: a length that was made up cannot ask for more memory than it brings.
const AT_ONCE: usize = 1 << 20;

pub(crate) struct Writer<'a> {
    frames: frames::Writer<'a>,
}

type Written = Result<(), SnapshotError>;

impl<'a> Writer<'a> {
    pub(crate) fn new(frames: frames::Writer<'a>) -> Self {
        Self { frames }
    }

    pub(crate) fn into_frames(self) -> frames::Writer<'a> {
        self.frames
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Written {
        Ok(self.frames.write(bytes)?)
    }

    pub(crate) fn u32(&mut self, number: u32) -> Written {
        self.bytes(&number.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, number: u64) -> Written {
        self.bytes(&number.to_le_bytes())
    }

    /// Bytes with their length before them.
    pub(crate) fn list(&mut self, bytes: &[u8]) -> Written {
        self.u32(bytes.len() as u32)?;
        self.bytes(bytes)
    }
}

pub(crate) struct Reader<'a> {
    frames: frames::Reader<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(frames: frames::Reader<'a>) -> Self {
        Self { frames }
    }

    pub(crate) fn into_frames(self) -> frames::Reader<'a> {
        self.frames
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut array = [0; N];
        self.frames.read(&mut array)?;
        Ok(array)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, SnapshotError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, SnapshotError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Bytes with their length before them.
    pub(crate) fn list(&mut self) -> Result<Vec<u8>, SnapshotError> {
        let length = self.u32()? as usize;
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let from = bytes.len();
            let room = (length - from).min(AT_ONCE);
            bytes.reserve_exact(room);
            bytes.resize(from + room, 0);
            self.frames.read(bytes.get_mut(from..).unwrap_or(&mut []))?;
        }
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<Box<str>, SnapshotError> {
        let text = String::from_utf8(self.list()?).map_err(|_| SnapshotError::Damaged("a text is none"))?;
        Ok(text.into())
    }
}
