//! Commits: kill -9 at every step, two committers, one that is paused, many at once on one branch.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bytes::Bytes;
use futures::future::join_all;
use selvedge_committer::{
    OF_EVERY_EFFECT,
    git::{REMOTE_STEPS, STEPS},
};
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{CommitHash, RepositoryName},
    payload::{
        Nothing,
        intent::{Effect, FileChange, FileMode, GitEffect, Intent, IntentState, Receipt, TreePath},
        repository::{RepositoryReply, RepositorySet},
    },
};
use selvedge_kit::transfer;
use selvedge_tests::{
    committer::{Scene, once},
    wait::until,
};

use crate::{REPLICA, crashes::survives};

/// A bare repository with a branch `main` of these files.
struct Record {
    folder: tempfile::TempDir,
}

impl Record {
    fn new(files: usize) -> Self {
        let record = Self { folder: tempfile::tempdir().unwrap() };
        record.git(&["init", "--quiet", "--bare", "--initial-branch=main", "."], "");
        let mut stream =
            "commit refs/heads/main\ncommitter seed <seed@example.org> 0 +0000\ndata 4\nseed\n".to_owned();
        for number in 0..files {
            stream.push_str(&format!("M 100644 inline file{number:02}\ndata 3\nold\n"));
        }
        record.git(&["fast-import", "--quiet"], &stream);
        record
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path()).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut git = command.spawn().unwrap();
        git.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = git.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn head(&self) -> CommitHash {
        CommitHash::new(&self.git(&["rev-parse", "main"], "")).unwrap()
    }

    /// The commits of an intent that are reachable from the branch.
    fn landed(&self, intent: &Intent) -> Vec<String> {
        let grep = format!("--grep=^Selvedge-Intent: {}$", intent.id);
        self.git(&["rev-list", &grep, "main"], "").lines().map(str::to_owned).collect()
    }

    /// Exactly one commit, and the receipt and the intent's reference name it.
    fn assert_once(&self, intent: &Intent, step: &str) {
        let Some(Receipt::Git { commit, branch, .. }) = &intent.receipt else {
            panic!("{step}: {:?}", intent.receipt)
        };
        assert_eq!((self.landed(intent), branch.as_str()), (vec![commit.to_string()], "main"), "{step}");
        let reference = format!("refs/selvedge/intents/{}", intent.id);
        assert_eq!(self.git(&["rev-parse", &reference], ""), commit.as_str(), "{step}");
    }
}

async fn set(scene: &Scene, location: &str) -> Result<RepositoryReply, Fault> {
    let wanted = RepositorySet { name: name(), location: location.to_owned() };
    scene.operator.call::<call::RepositorySet>(&wanted).await.map(|answered| answered.reply)
}

fn name() -> RepositoryName {
    RepositoryName::new("record").unwrap()
}

/// Names a repository, with a committer that is gone again.
async fn named(scene: &Scene, record: &Record) {
    let committer = scene.committer("naming");
    set(scene, record.path().to_str().unwrap()).await.unwrap();
    committer.kill9();
}

/// A new content of a file, stored, and the commit of it on the present head.
async fn change(scene: &Scene, record: &Record, file: usize, content: &str) -> Effect {
    let stored = transfer::put_bytes(scene.ada.client(), Bytes::from(content.to_owned())).await.unwrap();
    Effect::Git(GitEffect {
        repository: name(),
        branch: "main".to_owned(),
        base: record.head(),
        changes: vec![FileChange::Put {
            path: TreePath::new(format!("file{file:02}")).unwrap(),
            content: stored.digest,
            mode: FileMode::Regular,
        }],
        message: format!("Change file {file}"),
        reads: Vec::new(),
    })
}

const ENDS: &[IntentState] =
    &[IntentState::Committed, IntentState::Failed, IntentState::Unknown, IntentState::Rejected];

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_lands_once_whenever_the_committer_dies() {
    let (scene, record) = (Scene::start(REPLICA).await, Record::new(1));
    named(&scene, &record).await;
    for step in [OF_EVERY_EFFECT, STEPS].concat() {
        for deaths in [1, 2] {
            let effect = change(&scene, &record, 0, &format!("{step} {deaths}")).await;
            let intent = survives(&scene, &once(effect, "once"), step, deaths, None).await;
            record.assert_once(&intent, step);
            assert_eq!(record.git(&["show", "main:file00"], ""), format!("{step} {deaths}"));
        }
    }
    record.git(&["fsck", "--full", "--strict"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_a_remote_lands_once_whenever_the_committer_dies() {
    let (scene, record) = (Scene::start(REPLICA).await, Record::new(1));
    let committer = scene.committer("naming");
    set(&scene, &format!("file://{}", record.path().display())).await.unwrap();
    committer.kill9();
    for step in [OF_EVERY_EFFECT, REMOTE_STEPS].concat() {
        let effect = change(&scene, &record, 0, step).await;
        let intent = survives(&scene, &once(effect, "once"), step, 1, None).await;
        record.assert_once(&intent, step);
        assert_eq!(record.git(&["show", "main:file00"], ""), step);
    }
    record.git(&["fsck", "--full", "--strict"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_at_once_on_one_branch_all_land_with_two_committers() {
    const AGENTS: usize = 16;
    let (scene, record) = (Scene::start(REPLICA).await, Record::new(AGENTS));
    named(&scene, &record).await;
    let base = record.head();
    let changes = (0..AGENTS).map(|file| change(&scene, &record, file, "new"));
    let wanted: Vec<_> = join_all(changes).await.into_iter().map(|effect| once(effect, "once")).collect();
    let approved = join_all(wanted.iter().map(|wanted| scene.approved(wanted))).await;
    let _committers = [scene.committer("c1"), scene.committer("c2")];
    for intent in approved {
        let intent = scene.reaches(&intent.intent.id, ENDS).await;
        assert_eq!(intent.state, IntentState::Committed, "{:?}", intent.reasons);
        record.assert_once(&intent, "together");
        assert_eq!(scene.counts(&intent.id).await.get("committed"), Some(&1));
    }
    let landed = record.git(&["rev-list", "--count", &format!("{base}..main")], "");
    assert_eq!(landed, AGENTS.to_string(), "each of them once, and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_committer_that_wakes_does_nothing_a_second_time() {
    for step in ["git.looked", "git.durable", "git.moved"] {
        let (scene, record) = (Scene::start(REPLICA).await, Record::new(1));
        named(&scene, &record).await;
        let wanted = once(change(&scene, &record, 0, step).await, "once");
        let paused = scene.stopping_committer("paused", step);
        let id = scene.approved(&wanted).await.intent.id;
        until(
            "the first committer to stop",
            async || if paused.is_stopped() { Ok(()) } else { Err("it runs") },
        )
        .await;
        let second = scene.committer("second");
        if step == "git.moved" {
            // It holds nothing any more: what it did is found.
            scene.reaches(&id, ENDS).await;
        }
        let taken_over = scene.reaches(&id, ENDS).await;
        assert_eq!(taken_over.state, IntentState::Committed, "{step}: {:?}", taken_over.reasons);
        paused.resume();
        // A later commit shows that the branch goes on, whoever carries it out.
        let next = once(change(&scene, &record, 0, "next").await, "once");
        let next = scene.approved(&next).await.intent.id;
        record.assert_once(&scene.reaches(&next, ENDS).await, step);
        record.assert_once(&scene.intent(&id).await, step);
        assert_eq!(scene.counts(&id).await.get("committed"), Some(&1), "{step}");
        second.kill9();
        paused.kill9();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_commit_fails_with_its_paths() {
    let (scene, record) = (Scene::start(REPLICA).await, Record::new(2));
    named(&scene, &record).await;
    let first = once(change(&scene, &record, 0, "first").await, "once");
    let second = once(change(&scene, &record, 0, "second").await, "once");
    let (first, second) = (scene.approved(&first).await.intent.id, scene.approved(&second).await.intent.id);
    let _committer = scene.committer("c1");
    let ends = [scene.reaches(&first, ENDS).await, scene.reaches(&second, ENDS).await];
    let (done, failed): (Vec<_>, Vec<_>) =
        ends.iter().partition(|intent| intent.state == IntentState::Committed);
    assert_eq!((done.len(), failed[0].state), (1, IntentState::Failed), "{ends:?}");
    assert!(failed[0].reasons[0].message.contains("stale: file00 has changed"), "{:?}", failed[0].reasons);
    record.assert_once(done[0], "first come");
    assert_eq!(record.landed(failed[0]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_looked_at_before_it_is_named() {
    let (scene, record) = (Scene::start(REPLICA).await, Record::new(1));
    let _committer = scene.committer("c1");
    let with_tree = tempfile::tempdir().unwrap();
    assert!(Command::new("git").args(["init", "--quiet"]).arg(with_tree.path()).status().unwrap().success());
    let without_atomic = Record::new(1);
    without_atomic.git(&["config", "receive.advertiseAtomic", "false"], "");
    let url = |path: &Path| format!("file://{}", path.display());
    let tree: PathBuf = with_tree.path().join(".git");
    for (location, reason) in [
        ("relative.git", "absolute path"),
        ("/nowhere/at/all.git", "no git repository"),
        ("ext::sh -c x", "no spaces"),
        ("https://token@example.org/a.git", "secret"),
        ("file:///nowhere/at/all.git", "cannot be read"),
        (tree.to_str().unwrap(), "bare"),
        (&url(without_atomic.path()), "atomic"),
    ] {
        let refused = set(&scene, location).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.details[0].at.as_str()),
            (Code::Invalid, "/location"),
            "{refused:?}"
        );
        assert!(refused.details[0].message.contains(reason), "{location}: {refused:?}");
    }
    let first = set(&scene, &url(record.path())).await.unwrap();
    assert_eq!(set(&scene, &url(record.path())).await.unwrap(), first, "the same is nothing new");
    let moved = set(&scene, record.path().to_str().unwrap()).await.unwrap();
    assert!(moved.revision > first.revision);
    let listed = scene.ada.client().call::<call::RepositoryList>(&Nothing {}).await.unwrap().reply;
    assert_eq!(listed.repositories, [moved]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_pushed_to_a_remote() {
    let (scene, record) = (Scene::start(REPLICA).await, Record::new(1));
    let _committer = scene.committer("c1");
    set(&scene, &format!("file://{}", record.path().display())).await.unwrap();
    let wanted = once(change(&scene, &record, 0, "new").await, "once");
    let id = scene.approved(&wanted).await.intent.id;
    let intent = scene.reaches(&id, ENDS).await;
    assert_eq!(intent.state, IntentState::Committed, "{:?}", intent.reasons);
    record.assert_once(&intent, "pushed");
    let message = record.git(&["log", "-1", "--format=%an|%ae|%B", "main"], "");
    let proposer = &intent.proposer;
    assert!(
        message.starts_with(&format!("{proposer}|{proposer}@demo.selvedge.invalid|Change file 0")),
        "{message}"
    );
    assert!(message.contains("\nSelvedge-Approved-By: person:paul ("), "{message}");
}
