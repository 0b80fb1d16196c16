//! Whether the account's token has room for the keys of sessions that end.

use selvedge_contracts::id::KlusterName;
use selvedge_kit::{
    authority::{Error, Keyring},
    clock::now_ms,
};

use super::report::Finding;
use crate::connect::Context;

const CHECK: &str = "room for revoked keys";

/// What the token holds against what it may; nothing where the keys are not in this folder.
pub(super) fn room(context: &Context, kluster: &KlusterName) -> Option<Finding> {
    let keyring = Keyring::open(&context.home.authority()).ok()?;
    let held = keyring.kluster(kluster).and_then(|kluster| kluster.revoked_keys(now_ms()));
    Some(judge(held, context.config.server.max_revoked_keys))
}

fn judge(held: Result<usize, Error>, most: usize) -> Finding {
    match held {
        Ok(held) if held < most => Finding::ok(CHECK, format!("{held} of {most} held")),
        Ok(held) => Finding::warn(
            CHECK,
            format!(
                "{held} of {most} held: nats-server lets what ended since listen until its credentials end; the services refuse it"
            ),
            "start shorter sessions (--ttl), or raise server.max_revoked_keys (at most 5000) and start `selvedge up` anew; `selvedge agent revoke` works all the same",
        ),
        Err(error) => Finding::fail(
            CHECK,
            format!("the account's token cannot be read: {error}"),
            "restore the folder `authority`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn a_full_token_is_told_of() {
        for (held, wanted) in [(0, Level::Ok), (4, Level::Ok), (5, Level::Warn), (6, Level::Warn)] {
            assert_eq!(judge(Ok(held), 5).level, wanted, "{held}");
        }
    }
}
