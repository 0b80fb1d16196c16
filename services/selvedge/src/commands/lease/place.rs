//! Where claims stand: the space, and the folder that its paths are counted from.

use clap::Args;
use selvedge_contracts::id::SpaceId;

use crate::{exit::Failure, repository::Repository};

/// The space, if it is named.
#[derive(Debug, Args)]
pub(crate) struct SpaceNamed {
    /// The space; if not said, that of the git repository around the current folder: `git config
    /// selvedge.space`, else the last part of the address of its remote `origin`, else its folder's name.
    #[arg(long, env = "SELVEDGE_SPACE")]
    pub(crate) space: Option<SpaceId>,
}

/// A space and the folder that its paths are counted from.
#[derive(Debug)]
pub(crate) struct Place {
    /// The space.
    pub(crate) space: SpaceId,
    /// The repository; outside of one, the current folder.
    pub(crate) repository: Repository,
}

impl SpaceNamed {
    /// The space named or that of the repository; paths count from the repository's root, or from the
    /// current folder where there is none.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        self.found()?.ok_or_else(|| {
            Failure::usage(
                "there is no git repository here that would name the space: say --space NAME, or set SELVEDGE_SPACE",
            )
        })
    }

    /// The same; nothing, if neither names a space.
    pub(crate) fn found(&self) -> Result<Option<Place>, Failure> {
        let directory = std::env::current_dir()?;
        let repository = Repository::around(&directory)?;
        let space = match (&self.space, &repository) {
            (Some(space), _) => space.clone(),
            (None, Some(repository)) => repository.space()?,
            (None, None) => return Ok(None),
        };
        let repository = repository.map_or_else(|| Repository::plain(&directory), Ok)?;
        Ok(Some(Place { space, repository }))
    }

    /// The space alone.
    pub(crate) fn space(&self) -> Result<SpaceId, Failure> {
        match &self.space {
            Some(space) => Ok(space.clone()),
            None => self.place().map(|place| place.space),
        }
    }
}
