use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use super::*;

struct Repository(tempfile::TempDir);

impl Repository {
    /// With files `kept`, `gone`, `moved` (ten lines) and `tool` in its one commit.
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q", "-b", "main"]);
        let ten: String = (0..10).map(|line| format!("line {line}\n")).collect();
        for (name, content) in [("kept", "k\n"), ("gone", "g\n"), ("moved", &ten), ("tool", "#!/bin/sh\n")] {
            repository.write(name, content);
        }
        repository.write(".gitignore", "*.log\n");
        repository.commit();
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path()).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn differs(&self) -> Result<Vec<Changed>, String> {
        let draft = Draft::of_work_tree(self.path()).unwrap();
        let base = draft.commit("HEAD").unwrap();
        draft.of_files(&base).map_err(|failure| failure.to_string())
    }

    /// As git counts them: of a work tree that nobody committed.
    fn status(&self) -> String {
        self.git(&["status", "--porcelain", "-z"])
    }
}

fn at(path: impl AsRef<[u8]>) -> TreePath {
    TreePath::new(path).unwrap()
}

fn blob_of(content: &str) -> String {
    let mut child = Command::new("git");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    let output = child.arg("hash-object").arg(file.path()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn put(path: &str, content: &str, mode: FileMode) -> Changed {
    Changed::Put { path: at(path), blob: blob_of(content), mode }
}

#[test]
fn a_change_of_the_same_size_in_the_second_of_the_index_is_seen() {
    let repository = Repository::new();
    repository.git(&["config", "core.trustctime", "false"]);
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let age = |name: &str| {
        let file = fs::File::options().write(true).open(repository.path().join(name));
        file.unwrap().set_modified(past).unwrap();
    };
    age("kept");
    repository.git(&["update-index", "--refresh"]);
    repository.write("kept", "x\n");
    age("kept");
    age(".git/index");
    let changed = repository.differs().unwrap();
    assert_eq!(changed.len(), 1, "{changed:?}");
}

#[test]
fn every_way_in_which_files_differ_is_found_staged_or_not_and_nothing_is_changed() {
    let repository = Repository::new();
    repository.write("kept", "staged\n");
    repository.git(&["add", "kept"]);
    repository.write("new/file", "n\n");
    repository.write("noise.log", "ignored\n");
    fs::remove_file(repository.path().join("gone")).unwrap();
    fs::rename(repository.path().join("moved"), repository.path().join("elsewhere")).unwrap();
    let mut permissions = fs::metadata(repository.path().join("tool")).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(repository.path().join("tool"), permissions).unwrap();
    symlink("../out", repository.path().join("link")).unwrap();
    let (status, objects) = (repository.status(), repository.git(&["count-objects"]));

    let found = repository.differs().unwrap();

    let expected = [
        Changed::Rename { from: at("moved"), path: at("elsewhere"), blob: None },
        Changed::Delete { path: at("gone") },
        put("kept", "staged\n", FileMode::Regular),
        put("link", "../out", FileMode::Symlink),
        put("new/file", "n\n", FileMode::Regular),
        put("tool", "#!/bin/sh\n", FileMode::Executable),
    ];
    for change in &expected {
        assert!(found.contains(change), "{change:?} is missing of {found:?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
    assert_eq!(repository.status(), status, "the work tree and its index are as they were");
    assert_eq!(repository.git(&["count-objects"]), objects, "nothing was stored in it");
}

#[test]
fn a_renamed_file_brings_content_only_if_it_changed_and_no_rename_if_its_mode_did() {
    let repository = Repository::new();
    let text = fs::read_to_string(repository.path().join("moved")).unwrap() + "one more\n";
    fs::remove_file(repository.path().join("moved")).unwrap();
    repository.write("a/moved", &text);
    let renamed = Changed::Rename { from: at("moved"), path: at("a/moved"), blob: Some(blob_of(&text)) };
    assert_eq!(repository.differs().unwrap(), [renamed]);

    let path = repository.path().join("a/moved");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let found = repository.differs().unwrap();
    assert_eq!(found, [Changed::Delete { path: at("moved") }, put("a/moved", &text, FileMode::Executable)]);
}

#[test]
fn names_that_are_not_utf_8_are_kept_byte_by_byte() {
    let repository = Repository::new();
    let name = OsStr::from_bytes(b"caf\xe9 \"x\"\n.txt");
    fs::write(repository.path().join(name), "c\n").unwrap();
    let found = repository.differs().unwrap();
    let path = at(name.as_bytes());
    assert_eq!(found, [Changed::Put { path, blob: blob_of("c\n"), mode: FileMode::Regular }]);
}

#[test]
fn submodules_and_repositories_within_are_refused_by_name_unless_they_are_as_before() {
    let (repository, inner) = (Repository::new(), Repository::new());
    let source = inner.path().to_str().unwrap();
    repository.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", source, "sub"]);
    let error = repository.differs().unwrap_err();
    assert!(error.starts_with("sub is a submodule"), "{error}");
    repository.commit();
    repository.write("kept", "other\n");
    assert_eq!(repository.differs().unwrap(), [put("kept", "other\n", FileMode::Regular)]);
    repository.git(&["rm", "-q", "-f", "sub"]);
    let error = repository.differs().unwrap_err();
    assert!(error.starts_with("sub is a submodule"), "{error}");

    let repository = Repository::new();
    fs::create_dir(repository.path().join("nested")).unwrap();
    let nested = repository.path().join("nested");
    for arguments in [&["init", "-q"][..], &["commit", "-q", "--allow-empty", "-m", "x"]] {
        let mut command = Command::new("git");
        command.arg("-C").arg(&nested).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        assert!(command.args(arguments).status().unwrap().success());
    }
    let error = repository.differs().unwrap_err();
    assert!(error.starts_with("nested is a submodule, or a repository within"), "{error}");
}

#[test]
fn an_unfinished_merge_is_refused_and_line_ends_are_those_of_a_commit() {
    let repository = Repository::new();
    repository.git(&["checkout", "-q", "-b", "other"]);
    repository.write("kept", "theirs\n");
    repository.commit();
    repository.git(&["checkout", "-q", "main"]);
    repository.write("kept", "ours\r\n");
    repository.write(".gitattributes", "kept text\n");
    assert!(repository.differs().unwrap().contains(&put("kept", "ours\n", FileMode::Regular)));
    repository.commit();
    let merge = Command::new("git").arg("-C").arg(repository.path()).args(["merge", "other"]).output();
    assert!(!merge.unwrap().status.success());
    assert!(repository.differs().unwrap_err().contains("a merge is not finished"));
}

#[test]
fn two_commits_are_compared_without_the_work_tree() {
    let repository = Repository::new();
    repository.write("kept", "second\n");
    repository.commit();
    repository.write("kept", "not committed\n");
    let draft = Draft::over(repository.path()).unwrap();
    let (base, head) = (draft.commit("HEAD~1").unwrap(), draft.commit("HEAD").unwrap());
    assert_eq!(draft.between(&base, &head).unwrap(), [put("kept", "second\n", FileMode::Regular)]);
    assert_eq!(draft.merge_base(&base, &head), Some(base));
    assert_eq!(draft.commit("--all"), None);
}

#[test]
fn a_folder_without_a_repository_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = Draft::of_work_tree(folder.path()).map(|_| ()).unwrap_err();
    assert!(matches!(&error, Failure::Usage(text) if text.contains("not a git repository")), "{error:?}");
}
