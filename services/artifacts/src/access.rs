//! Which content a caller means, and whether it may have it.
//!
//! A version is read by its mission once it is valid. A digest alone opens nothing: it must be that of
//! something the caller may read by name, of what it put itself, or of what an intent names that the caller
//! proposed or may be asked to approve. To a verifier it opens what anybody of its mission put.

use selvedge_contracts::{
    fault::Fault,
    id::{ArtifactName, ArtifactRef, Caller, Digest, Mission},
    payload::artifact::{Reference, Version, Which},
    role::Role,
};
use selvedge_kit::{clock::Deadline, service::Call};

use crate::{
    names::Known,
    pins::Pin,
    rule::{may_read, state_name},
    state::Artifacts,
};

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) mission: &'a Mission,
    pub(crate) caller: &'a Caller,
    pub(crate) role: Role,
}

impl<'a> Asker<'a> {
    pub(crate) fn of(call: &'a Call) -> Self {
        Self { mission: call.mission(), caller: &call.subject.caller, role: call.role() }
    }

    pub(crate) fn may_read(self, version: &Version) -> bool {
        may_read(version, self.caller, self.role)
    }
}

/// Content that the caller may read.
#[derive(Debug, Clone)]
pub(crate) struct Meant {
    pub(crate) digest: Digest,
    /// The version, if it was meant by a name.
    pub(crate) named: Option<Known>,
}

impl Artifacts {
    /// The content that the caller means, if it may read it.
    ///
    /// # Errors
    /// `not_found` if there is no such thing, `denied` if the caller may not read it.
    pub(crate) async fn meant(
        &self,
        asker: Asker<'_>,
        artifact: &ArtifactRef,
        deadline: Deadline,
    ) -> Result<Meant, Fault> {
        match reference(artifact)? {
            Reference::Content(digest) => {
                if self.may_have(asker, &digest, deadline).await? {
                    return Ok(Meant { digest, named: None });
                }
                Err(unknown_content(&digest))
            }
            Reference::Named(name, which) => {
                let known = self.version(asker, &name, &which)?;
                if !asker.may_read(&known.version) {
                    return Err(unreadable(&known));
                }
                Ok(Meant { digest: known.version.digest.clone(), named: Some(known) })
            }
        }
    }

    /// Whether the caller may read this content, by whatever right.
    pub(crate) async fn may_have(
        &self,
        asker: Asker<'_>,
        digest: &Digest,
        deadline: Deadline,
    ) -> Result<bool, Fault> {
        let is_readable = |version: &Version| asker.may_read(version);
        // The committer carries out what governance has found the proposer to be entitled to.
        let may_have_all = matches!(asker.role, Role::Operator | Role::Committer);
        if may_have_all || self.versions.any_with(asker.mission, digest, is_readable) {
            return Ok(true);
        }
        if self.intents.may_read(asker, digest) {
            return Ok(true);
        }
        if asker.role == Role::Verifier {
            // Whoever judges has to see what others handed in, and that has no name yet.
            return self.pins.any_in(digest, asker.mission, deadline).await;
        }
        self.pins.has(digest, asker.mission, asker.caller, deadline).await
    }

    /// Pins content that the asker may read, then makes sure that it is there; answers with its size in bytes,
    /// or with nothing if the asker may not read it or it is not stored.
    ///
    /// # Errors
    /// `unavailable` if that cannot be told.
    pub(crate) async fn held(
        &self,
        asker: Asker<'_>,
        digest: &Digest,
        deadline: Deadline,
    ) -> Result<Option<(u64, Pin)>, Fault> {
        if !self.may_have(asker, digest, deadline).await? {
            return Ok(None);
        }
        let pin = self.pins.pin(digest, asker.mission, asker.caller, deadline).await?;
        let size_bytes = self.store.sound_size(digest).await?;
        Ok(size_bytes.map(|size_bytes| (size_bytes, pin)))
    }

    /// The version that is meant. The latest is the newest that the caller may read; if it may read none,
    /// the newest.
    ///
    /// # Errors
    /// `not_found` if there is none.
    pub(crate) fn version(
        &self,
        asker: Asker<'_>,
        name: &ArtifactName,
        which: &Which,
    ) -> Result<Known, Fault> {
        let newest = |fits: &dyn Fn(&Version) -> bool| self.versions.newest_where(asker.mission, name, fits);
        let found = match which {
            Which::Latest => newest(&|version| asker.may_read(version)).or_else(|| newest(&|_| true)),
            Which::Version(number) => self.versions.version(asker.mission, name, *number),
            Which::Digest(prefix) => newest(&|version| version.digest.as_str().starts_with(prefix)),
        };
        found.ok_or_else(|| {
            let what = match which {
                Which::Latest => format!("there is no artifact {name} in {}", asker.mission),
                Which::Version(number) => format!("{name} has no version {number} in {}", asker.mission),
                Which::Digest(prefix) => format!("{name} has no version with a digest {prefix}…"),
            };
            Fault::not_found(format!("{what}; artifacts.list and artifacts.history show those there are"))
        })
    }
}

/// A reference, read.
pub(crate) fn reference(artifact: &ArtifactRef) -> Result<Reference, Fault> {
    // The token has checked it, so this never fails.
    Reference::parse(artifact.as_str()).ok_or_else(|| Fault::invalid("no reference to an artifact"))
}

/// The same whether it is not stored or not the caller's to read: a digest must not be a way to ask.
pub(crate) fn unknown_content(digest: &Digest) -> Fault {
    Fault::not_found(format!(
        "there is no content {digest} that you may read; put it, or ask for it by a name"
    ))
}

fn unreadable(known: &Known) -> Fault {
    let Known { name, version, .. } = known;
    Fault::denied(format!(
        "{name}@v{} is {}: until it is valid, only its producer and those who judge it may read it",
        version.version,
        state_name(version.state)
    ))
}
