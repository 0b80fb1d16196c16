//! Claims, checked and made ready for comparison. Every claim of a request that is not well formed is
//! named, not only the first.

use selvedge_contracts::{
    fault::{Code, Detail, Fault},
    id::ResourceName,
    payload::{
        claim::{Claim, MAX_PATTERN_BYTES, Mode},
        lease::{Acquire, MAX_CLAIMS, MAX_LEASE_TTL_MS, MAX_PURPOSE_BYTES, MAX_WAIT_MS, MIN_LEASE_TTL_MS},
    },
};

use crate::{
    area::{Area, overlap},
    automaton::Effort,
    path::Path,
    pattern::Pattern,
};

/// What one claim covers; slots are counted, not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cover {
    /// Paths.
    Area(Area, Mode),
    /// A resource.
    Resource(ResourceName, Mode),
    /// Slots of a pool.
    Slots,
}

impl Cover {
    /// What a claim covers.
    ///
    /// # Errors
    /// The field that is wrong, and why.
    pub(crate) fn of(claim: &Claim) -> Result<Self, (&'static str, String)> {
        match claim {
            Claim::Path { path, mode } => {
                let path = Path::folder(path).map_err(|why| ("path", why.to_string()))?;
                Ok(Self::Area(Area::Below(path), *mode))
            }
            Claim::File { path, mode } => {
                let path = Path::file(path).map_err(|why| ("file", why.to_string()))?;
                Ok(Self::Area(Area::File(path), *mode))
            }
            Claim::Glob { glob, mode } => {
                let pattern = Pattern::glob(glob).map_err(|why| ("glob", why.to_string()))?;
                Ok(Self::Area(Area::Glob(pattern), *mode))
            }
            Claim::Files { glob, mode } => {
                let pattern = Pattern::files(glob).map_err(|why| ("files", why.to_string()))?;
                Ok(Self::Area(Area::Glob(pattern), *mode))
            }
            Claim::Resource { name, mode } => Ok(Self::Resource(name.clone(), *mode)),
            Claim::Slots { .. } => Ok(Self::Slots),
        }
    }

    /// What a stored claim covers. One that cannot be read any more covers everything, so that nothing it
    /// may stand for is given away.
    pub(crate) fn of_stored(claim: &Claim) -> Self {
        Self::of(claim).unwrap_or(Self::Area(Area::Below(Path::root()), Mode::Exclusive))
    }

    /// Whether both cover something that not both share.
    pub(crate) fn clashes(&self, other: &Self, effort: &mut Effort) -> bool {
        match (self, other) {
            (Self::Area(..), Self::Area(..)) | (Self::Resource(..), Self::Resource(..))
                if self.is_shared() && other.is_shared() =>
            {
                false
            }
            (Self::Area(area, _), Self::Area(other, _)) => overlap(area, other, effort),
            (Self::Resource(name, _), Self::Resource(other, _)) => name == other,
            _ => false,
        }
    }

    fn is_shared(&self) -> bool {
        matches!(self, Self::Area(_, Mode::Shared) | Self::Resource(_, Mode::Shared))
    }
}

/// Checks a request's claims and bounds, and makes its claims ready.
///
/// # Errors
/// Invalid: every violation, with its JSON pointer.
pub(crate) fn check(request: &Acquire) -> Result<Vec<Cover>, Fault> {
    let mut details = Vec::new();
    let covers = covers_of(&request.claims, &mut details);
    if request.purpose.len() > MAX_PURPOSE_BYTES {
        let found = request.purpose.len();
        details.push(at("/purpose", format!("has {found} bytes; at most {MAX_PURPOSE_BYTES} are kept")));
    }
    details.extend(request.ttl_ms.and_then(|ttl_ms| wrong_ttl(ttl_ms).err()));
    if let Some(wait_ms) = request.wait_ms.filter(|wait_ms| *wait_ms > MAX_WAIT_MS) {
        details.push(at("/wait_ms", format!("{wait_ms} is too long a wait; expected 0 to {MAX_WAIT_MS}")));
    }
    all_or("the request for a lease is not well formed", covers, details)
}

/// Checks claims alone.
///
/// # Errors
/// Invalid: every violation, with its JSON pointer.
pub(crate) fn check_claims(claims: &[Claim]) -> Result<Vec<Cover>, Fault> {
    let mut details = Vec::new();
    let covers = covers_of(claims, &mut details);
    all_or("the claims are not well formed", covers, details)
}

/// Checks the life that is asked for a lease.
///
/// # Errors
/// The violation.
pub(crate) fn wrong_ttl(ttl_ms: u64) -> Result<u64, Detail> {
    if (MIN_LEASE_TTL_MS..=MAX_LEASE_TTL_MS).contains(&ttl_ms) {
        return Ok(ttl_ms);
    }
    let message =
        format!("{ttl_ms} is no life of a lease; expected {MIN_LEASE_TTL_MS} to {MAX_LEASE_TTL_MS}");
    Err(at("/ttl_ms", message))
}

fn covers_of(claims: &[Claim], details: &mut Vec<Detail>) -> Vec<Cover> {
    if claims.is_empty() || claims.len() > MAX_CLAIMS {
        let message =
            format!("has {} claims; expected 1 to {MAX_CLAIMS}: claim folders or globs", claims.len());
        details.push(at("/claims", message));
        return Vec::new();
    }
    let mut covers = Vec::with_capacity(claims.len());
    for (index, claim) in claims.iter().enumerate() {
        match Cover::of(claim) {
            Ok(cover) => covers.push(cover),
            Err((field, message)) => details.push(at(format!("/claims/{index}/{field}"), message)),
        }
    }
    covers
}

fn at(at: impl Into<String>, message: String) -> Detail {
    Detail { at: at.into(), message }
}

fn all_or<T>(message: &str, value: T, details: Vec<Detail>) -> Result<T, Fault> {
    if details.is_empty() {
        return Ok(value);
    }
    Err(Fault { code: Code::Invalid, message: message.to_owned(), details })
}

/// Why a path or glob is none; `what` was expected to hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What holds for paths and globs alike: not empty, not too long, relative, no control characters.
pub(crate) fn plain(text: &str) -> Result<(), Malformed> {
    let refuse = |why: String| Err(Malformed(why));
    if text.is_empty() {
        return refuse(
            "is empty; expected a path relative to the space's root, for example src/main.rs".into(),
        );
    }
    if text.len() > MAX_PATTERN_BYTES {
        return refuse(format!("has {} bytes; at most {MAX_PATTERN_BYTES} are accepted", text.len()));
    }
    if let Some(found) = text.chars().find(|found| found.is_control()) {
        return refuse(format!("holds the control character {found:?}; no path of a space has one"));
    }
    if text.starts_with('/') {
        return refuse(
            "is absolute; expected a path relative to the space's root, without / at its start".into(),
        );
    }
    let mut start = text.chars();
    if start.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && start.next() == Some(':') {
        return refuse("starts with a drive; expected a path relative to the space's root".into());
    }
    Ok(())
}
