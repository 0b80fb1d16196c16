//! Keeping what a command says, bounded: its beginning and its end.

use std::{
    fs::File,
    io::{self, PipeReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
};

/// How much of the end is kept of what is too long, in bytes.
const END_BYTES: usize = 64 << 10;

/// Reads until nobody can say anything more; gives how many bytes were not kept.
pub(super) fn keep(mut from: PipeReader, path: &Path, most_bytes: u64) -> u64 {
    let mut file = File::create(path);
    let (mut room, mut left_out, mut end) = (most_bytes, 0_u64, Vec::new());
    let mut chunk = vec![0; END_BYTES];
    while let Ok(len @ 1..) = read(&mut from, &mut chunk) {
        let read = chunk.get(..len).unwrap_or_default();
        let (first, rest) = read.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(read.len()));
        room -= first.len() as u64;
        // A full disk must not stop the reading, or the command would wait for us for ever.
        if file.as_mut().is_ok_and(|file| file.write_all(first).is_err()) {
            left_out += first.len() as u64;
        }
        end.extend_from_slice(rest);
        let surplus = end.len().saturating_sub(END_BYTES);
        left_out += surplus as u64;
        end.drain(..surplus);
    }
    if let Ok(file) = &mut file {
        if left_out > 0 {
            // As above.
            let _ = writeln!(file, "\n[… {left_out} bytes left out …]");
        }
        let _ = file.write_all(&end);
    }
    left_out
}

fn read(from: &mut PipeReader, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The end of a file as text, cut between characters.
pub(crate) fn tail(path: &Path, most_bytes: usize) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(most_bytes as u64)))?;
        let mut bytes = Vec::new();
        file.take(most_bytes as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let begin = bytes.iter().take(3).take_while(|byte| (**byte & 0xc0) == 0x80).count();
    String::from_utf8_lossy(bytes.get(begin..).unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_too_long_the_beginning_and_the_end_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (reader, mut writer) = io::pipe().unwrap();
        let writing = std::thread::spawn(move || {
            writer.write_all(b"begin").unwrap();
            writer.write_all(&vec![b'x'; 3 * END_BYTES]).unwrap();
            writer.write_all("the end ä".as_bytes()).unwrap();
        });
        let left_out = keep(reader, &path, 10);
        writing.join().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("beginxxxxx\n[… ") && text.ends_with("the end ä"), "{}", text.len());
        assert_eq!(left_out, (3 * END_BYTES + 5 + 10 - 10 - END_BYTES) as u64);
        assert_eq!(tail(&path, 9), "he end ä");
        assert_eq!(tail(&path, 1), "", "half a character is none");
        assert_eq!(tail(Path::new("/nowhere"), 9), "");
    }
}
