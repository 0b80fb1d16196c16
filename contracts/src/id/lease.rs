//! Identifiers of leases: spaces, what may be leased by name, and leases themselves.

use super::{CallerShape, Shape, SubjectId, Token, is_prefixed};

/// Shape of a [`SpaceId`].
pub enum SpaceIdShape {}
impl Shape for SpaceIdShape {
    const NAME: &'static str = "space_id";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "shop-frontend";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// A space of leases: a repository, or any other place in which names mean one thing.
pub type SpaceId = Token<SpaceIdShape>;

/// Shape of a [`LeaseId`].
pub enum LeaseIdShape {}
impl Shape for LeaseIdShape {
    const NAME: &'static str = "lease_id";
    const PATTERN: &'static str = "^lease_[a-z0-9_-]+$";
    const EXAMPLE: &'static str = "lease_0a1b2c3d4e5f6071";
    const MAX_BYTES: usize = 64;
    fn fits(bytes: &[u8]) -> bool {
        is_prefixed(bytes, b"lease_")
    }
}
/// A lease: the right to work on something for a while.
pub type LeaseId = Token<LeaseIdShape>;

/// Shape of a [`PoolName`].
pub enum PoolNameShape {}
impl Shape for PoolNameShape {
    const NAME: &'static str = "pool_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "gpu";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// A pool of slots within a space.
pub type PoolName = Token<PoolNameShape>;

/// Shape of a [`ResourceName`].
pub enum ResourceNameShape {}
impl Shape for ResourceNameShape {
    const NAME: &'static str = "resource_name";
    const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9_.:/@-]*$";
    const EXAMPLE: &'static str = "db:staging";
    const MAX_BYTES: usize = 128;
    fn fits(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|&byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'/' | b'@' | b'-')
            })
    }
}
/// A resource that leases are taken on by its name. It never stands in a subject.
pub type ResourceName = Token<ResourceNameShape>;
impl SubjectId for LeaseIdShape {}
impl SubjectId for PoolNameShape {}
