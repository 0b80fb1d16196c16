//! Secrets: a file of TOML, `name = "value"`, that its owner alone may read. Read anew for every use, so that
//! a rotated secret counts at once; never logged, never sent to anybody but the target, never in a fact.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Take},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use selvedge_contracts::id::SecretName;

/// Largest file of secrets in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Rights that anybody but the owner has.
const OTHERS: u32 = 0o077;

/// All secrets; the message of a failure never holds any part of the file.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<SecretName, String>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no file".to_owned());
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(format!(
            "others may read it (mode {:o}); run `chmod 600` on it",
            metadata.mode() & 0o777
        ));
    }
    let mut text = String::new();
    let mut bounded: Take<File> = file.take(MAX_FILE_BYTES);
    bounded.read_to_string(&mut text).map_err(|error| error.to_string())?;
    toml::from_str(&text).map_err(|_| "it is not TOML of the form `name = \"value\"`".to_owned())
}

/// Whether the file can be used.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    read(path).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_private_file_of_names_and_values_is_read() {
        let secrets = read(file("deploy-token = \"s3cret\"\n", 0o600).path()).unwrap();
        assert_eq!(secrets.get(&SecretName::new("deploy-token").unwrap()).unwrap(), "s3cret");
        assert_eq!(read(file("", 0o400).path()).unwrap().len(), 0);
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used_and_no_failure_tells_a_secret() {
        let open = read(file("deploy-token = \"s3cret\"\n", 0o640).path()).unwrap_err();
        assert_eq!(open, "others may read it (mode 640); run `chmod 600` on it");
        for text in
            ["deploy-token = s3cret", "Deploy Token = \"s3cret\"", "[s3cret]\na = \"b\"", "a = 1 # s3cret"]
        {
            let refused = read(file(text, 0o600).path()).unwrap_err();
            assert!(!refused.contains("s3cret"), "{refused}");
        }
        assert!(read(Path::new("/nonexistent/secrets.toml")).is_err());
        assert_eq!(read(Path::new("/")).unwrap_err(), "it is no file");
    }
}
