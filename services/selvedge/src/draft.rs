//! A git repository seen through an index and an object store of our own, in a folder that is removed in the
//! end: what is staged and stored here changes nothing there. Asks `git` itself, so that what it says is what
//! a commit would hold: line ends, filters, ignored files, renames.

mod difference;

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    io::Write as _,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use selvedge_contracts::id::CommitHash;
use tempfile::TempDir;

pub(crate) use difference::{Changed, Kind, kind_of};

use crate::exit::Failure;

/// A repository, an index and an object store.
pub(crate) struct Draft {
    directory: PathBuf,
    /// Its git folder, if it is not the one that lies in it.
    git_dir: Option<PathBuf>,
    scratch: TempDir,
    /// Where the repository's own objects lie, as git reads it.
    objects: OsString,
}

/// What git is told every time: nothing of the repository's settings may run or ask anything.
const QUIETLY: [&str; 6] =
    ["-c", "core.hooksPath=/dev/null", "-c", "advice.addEmbeddedRepo=false", "-c", "core.fsmonitor=false"];

impl Draft {
    /// Over the repository around `directory`, bare or not; nothing is staged.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is none, or no git.
    pub(crate) fn over(directory: &Path) -> Result<Self, Failure> {
        Self::with(directory, None)
    }

    /// Over a work tree whose own git folder is not asked, but another one.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is no git.
    pub(crate) fn apart(git_dir: &Path, directory: &Path) -> Result<Self, Failure> {
        let draft = Self::with(directory, Some(git_dir.to_owned()))?;
        copied(&git_dir.join("index"), &draft.index()).context("cannot read the index")?;
        Ok(draft)
    }

    fn with(directory: &Path, git_dir: Option<PathBuf>) -> Result<Self, Failure> {
        let scratch = TempDir::with_prefix("selvedge-draft-").context("cannot make a temporary folder")?;
        fs::create_dir(scratch.path().join(OBJECTS)).context("cannot make a temporary folder")?;
        let mut draft = Self { directory: directory.to_owned(), git_dir, scratch, objects: OsString::new() };
        let objects = draft.own_path("objects")?;
        draft.objects = quoted(&objects);
        Ok(draft)
    }

    /// Over the work tree around `directory`, seen from its top; staged is what is staged there.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is no work tree.
    pub(crate) fn of_work_tree(directory: &Path) -> Result<Self, Failure> {
        let mut draft = Self::over(directory)?;
        draft.directory = PathBuf::from(draft.line(&["rev-parse", "--show-toplevel"])?);
        let index = draft.own_path("index")?;
        match copied(&index, &draft.index()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(anyhow::Error::new(error).context(format!("cannot read {}", index.display())).into())
            }
            _ => Ok(draft),
        }
    }

    /// The folder that git is run in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A path of the repository's own.
    fn own_path(&self, name: &str) -> Result<PathBuf, Failure> {
        let mut command = self.bare_command(&["rev-parse", "--git-path", name]);
        let path = OsString::from_vec(one_line(run(&mut command, &[])?));
        std::path::absolute(self.directory.join(path)).map_err(Failure::from)
    }

    fn index(&self) -> PathBuf {
        self.scratch.path().join("index")
    }

    /// Git on the repository itself.
    fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // Its messages are read, and paths are paths, not patterns.
        command.env("LC_ALL", "C").env("GIT_LITERAL_PATHSPECS", "1").env("GIT_OPTIONAL_LOCKS", "0");
        command.arg("-C").arg(&self.directory).args(QUIETLY).args(arguments);
        if let Some(git_dir) = &self.git_dir {
            command.env("GIT_DIR", git_dir).env("GIT_WORK_TREE", &self.directory);
        }
        command
    }

    /// Git over our index and objects, ready to run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare_command(arguments);
        command.env("GIT_INDEX_FILE", self.index());
        command.env("GIT_OBJECT_DIRECTORY", self.scratch.path().join(OBJECTS));
        command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.objects);
        command
    }

    /// What git prints.
    ///
    /// # Errors
    /// What git says that is wrong.
    pub(crate) fn git(&self, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        self.git_with(arguments, &[])
    }

    /// The same with something on its standard input.
    pub(crate) fn git_with(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Failure> {
        run(&mut self.command(arguments), input)
    }

    /// The same in a repository of our own, whose settings and attributes are git's defaults: what the
    /// repository or a commit says about how its texts are to be shown is not heard.
    pub(crate) fn git_apart(&self, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
        let apart = self.scratch.path().join("apart");
        if !apart.exists() {
            let mut init = self.bare_command(&["init", "--quiet", "--bare", "--template="]);
            run(init.arg(&apart), &[])?;
            let info = apart.join("info");
            fs::create_dir_all(&info)?;
            // Stronger than any other file of attributes.
            fs::write(info.join("attributes"), "* !diff\n")?;
        }
        run(self.command(arguments).env("GIT_DIR", apart), &[])
    }

    /// What git prints, without the newline at its end.
    pub(crate) fn line(&self, arguments: &[&str]) -> Result<OsString, Failure> {
        Ok(OsString::from_vec(one_line(self.git(arguments)?)))
    }

    /// The commit that a revision means, if there is such a one.
    pub(crate) fn commit(&self, revision: &str) -> Option<CommitHash> {
        let commit = format!("{revision}^{{commit}}");
        let found = self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).ok()?;
        CommitHash::new(found.to_str()?).ok()
    }

    /// The last commit that both have, if there is one.
    pub(crate) fn merge_base(&self, ours: &CommitHash, theirs: &CommitHash) -> Option<CommitHash> {
        let found = self.line(&["merge-base", ours.as_str(), theirs.as_str()]).ok()?;
        CommitHash::new(found.to_str()?).ok()
    }
}

const OBJECTS: &str = "objects";

/// Copies an index with its time of change: a file of the same size that changed within the second in which the
/// index was written is looked into by git only as long as the index is no younger than that.
fn copied(index: &Path, to: &Path) -> io::Result<()> {
    let changed = fs::metadata(index)?.modified()?;
    fs::copy(index, to)?;
    fs::File::options().write(true).open(to)?.set_modified(changed)
}

/// As git reads it among others: a path in double quotes may hold anything.
fn quoted(path: &Path) -> OsString {
    let mut text = b"\"".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            b'\n' => text.extend(b"\\n"),
            byte => text.push(*byte),
        }
    }
    text.push(b'"');
    OsString::from_vec(text)
}

fn run(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, Failure> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::usage("git is not installed"));
        }
        spawned => spawned.context("cannot run git")?,
    };
    let writer = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Whether git read it all is seen in how it ends.
        scope.spawn(move || writer.map(|mut writer| writer.write_all(input)));
        child.wait_with_output()
    })
    .context("cannot run git")?;
    if output.status.success() { Ok(output.stdout) } else { Err(failed(&output.stderr)) }
}

fn failed(said: &[u8]) -> Failure {
    let said = String::from_utf8_lossy(said);
    if said.contains("not a git repository") || said.contains("must be run in a work tree") {
        return Failure::usage(format!("git says: {}", said.trim()));
    }
    anyhow::anyhow!("{}", said.trim()).context("git fails").into()
}

fn one_line(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    bytes
}

/// As text, for what is only shown.
pub(crate) fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}
