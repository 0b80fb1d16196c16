//! Where a repository is: a folder on this machine, or a URL that git is let loose on.

use std::path::PathBuf;

use url::Url;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Location {
    /// A bare repository on this machine.
    Folder(PathBuf),
    /// A repository that is fetched from and pushed to.
    Remote(String),
}

/// Protocols that git may speak: none of them runs a program that the URL names.
pub(crate) const PROTOCOLS: &str = "file:https:ssh";

impl Location {
    /// Reads a location.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) && !text.starts_with('/') {
            return Err("a URL holds no spaces and no control characters; write them as %20".to_owned());
        }
        if text.starts_with('/') && !text.contains('\0') {
            return Ok(Self::Folder(text.into()));
        }
        let url = Url::parse(text).map_err(|_| {
            "expected the absolute path of a bare repository, or a URL that begins with https://, ssh:// or file://"
        })?;
        match Self::fault_of(text, &url) {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(Self::Remote(text.to_owned())),
        }
    }

    fn fault_of(text: &str, url: &Url) -> Option<&'static str> {
        let starts_like_an_option = |part: &str| part.starts_with('-') || part.starts_with("%2d");
        if !text.contains("://") || !PROTOCOLS.split(':').any(|protocol| protocol == url.scheme()) {
            return Some("git may be reached by https://, ssh:// and file:// alone");
        }
        if url.password().is_some() || (url.scheme() != "ssh" && !url.username().is_empty()) {
            return Some(
                "it holds a user's secret; leave that to git's own configuration on the committer's machine",
            );
        }
        let host = url.host_str().unwrap_or_default().to_lowercase();
        if starts_like_an_option(&host) || starts_like_an_option(&url.username().to_lowercase()) {
            return Some("its host or user looks like an option");
        }
        if url.scheme() == "file" && !host.is_empty() {
            return Some("a file:// URL names no host");
        }
        let has_more = url.query().is_some() || url.fragment().is_some();
        has_more.then_some("it has a query or a fragment, which git would not understand")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_run_a_program_or_leak_a_secret_is_a_location() {
        assert_eq!(Location::new("/srv/my record.git"), Ok(Location::Folder("/srv/my record.git".into())));
        for good in ["https://example.org/a/b.git", "ssh://git@example.org:22/a.git", "file:///srv/a.git"] {
            assert_eq!(Location::new(good), Ok(Location::Remote(good.to_owned())));
        }
        for (bad, reason) in [
            ("ext::sh -c touch% /tmp/x", "spaces"),
            ("ext::sh", "alone"),
            ("ext://sh", "alone"),
            ("http://example.org/a", "alone"),
            ("git://example.org/a", "alone"),
            ("-uupload-pack", "absolute path"),
            ("--upload-pack=x", "absolute path"),
            ("relative/path", "absolute path"),
            ("host:path", "alone"),
            ("ssh://-oProxyCommand=x/a", "option"),
            ("ssh://-x@example.org/a", "option"),
            ("ssh://git:secret@example.org/a", "secret"),
            ("https://token@example.org/a", "secret"),
            ("https://example.org/a?x=y", "query"),
            ("file://host/a", "host"),
            ("https://example.org/a\nb", "control"),
            ("", "absolute path"),
        ] {
            let found = Location::new(bad).unwrap_err();
            assert!(found.contains(reason), "{bad}: {found}");
        }
    }
}
