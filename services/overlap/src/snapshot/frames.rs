//! A stream of bytes in frames: length (u32), payload, BLAKE3 over the hash before it and the payload. A frame
//! of length 0 ends it. Nothing of a frame is handed on before its hash fits, and no frame can be left out, put
//! elsewhere or cut off unseen.

use std::io::{Error, ErrorKind, Read, Result, Write};

/// Bytes of a frame, but for the last one.
const FRAME: usize = 1 << 20;

/// The hash before the first frame.
const START: [u8; 32] = *b"selvedge overlap snapshot frames";

fn next(before: &[u8; 32], payload: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(before).update(payload).finalize().as_bytes()
}

/// Writes frames.
pub(crate) struct Writer<'a> {
    out: &'a mut dyn Write,
    payload: Vec<u8>,
    hash: [u8; 32],
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, payload: Vec::with_capacity(FRAME), hash: START }
    }

    /// Adds bytes.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = (FRAME - self.payload.len()).min(bytes.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.payload.extend_from_slice(now);
            bytes = later;
            if self.payload.len() == FRAME {
                self.frame()?;
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<()> {
        self.hash = next(&self.hash, &self.payload);
        self.out.write_all(&(self.payload.len() as u32).to_le_bytes())?;
        self.out.write_all(&self.payload)?;
        self.out.write_all(&self.hash)?;
        self.payload.clear();
        Ok(())
    }

    /// Writes what is left, and the end.
    pub(crate) fn finish(mut self) -> Result<()> {
        if !self.payload.is_empty() {
            self.frame()?;
        }
        self.frame()?;
        self.out.flush()
    }
}

/// Reads frames.
pub(crate) struct Reader<'a> {
    from: &'a mut dyn Read,
    payload: Vec<u8>,
    at: usize,
    hash: [u8; 32],
}

fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

impl<'a> Reader<'a> {
    pub(crate) fn new(from: &'a mut dyn Read) -> Self {
        Self { from, payload: Vec::new(), at: 0, hash: START }
    }

    fn frame(&mut self) -> Result<()> {
        let mut length = [0; 4];
        self.from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > FRAME {
            return Err(damaged("a frame is too long"));
        }
        self.payload.resize(length, 0);
        self.from.read_exact(&mut self.payload)?;
        let mut hash = [0; 32];
        self.from.read_exact(&mut hash)?;
        self.hash = next(&self.hash, &self.payload);
        self.at = 0;
        if hash == self.hash { Ok(()) } else { Err(damaged("a frame is not what was written")) }
    }

    /// Fills `out`.
    pub(crate) fn read(&mut self, mut out: &mut [u8]) -> Result<()> {
        while !out.is_empty() {
            let there = self.payload.get(self.at..).unwrap_or(&[]);
            if there.is_empty() {
                self.frame()?;
                if self.payload.is_empty() {
                    return Err(damaged("it ends too early"));
                }
                continue;
            }
            let count = there.len().min(out.len());
            let (now, later) = out.split_at_mut(count);
            there.iter().zip(now).for_each(|(from, to)| *to = *from);
            self.at += count;
            out = later;
        }
        Ok(())
    }

    /// Refuses anything but the end.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.at < self.payload.len() {
            return Err(damaged("there is more than there should be"));
        }
        self.frame()?;
        if self.payload.is_empty() { Ok(()) } else { Err(damaged("there is more than there should be")) }
    }
}
