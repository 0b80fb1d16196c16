//! Landlock (landlock(7)): a process takes rights from itself and from all that it starts, for ever. Applied by the
//! process that is about to become the command, so that nothing of it runs before.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use serde::{Deserialize, Serialize};

use super::places::{Grants, Reach};

/// What the kernel can enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Support {
    /// TCP ports (ABI 4, Linux 6.7).
    pub(crate) tcp: bool,
    /// Signals and abstract sockets to the outside (ABI 6, Linux 6.12).
    pub(crate) scope: bool,
}

/// Up to here the rights are known and meant.
const NEWEST: ABI = ABI::V6;

impl Support {
    /// What is enforced and what is not, for people.
    pub(crate) fn told(self) -> String {
        let mut enforced = vec!["files", "root's rights"];
        let mut not = vec!["UDP", "sockets in the file system", "modes, owners and times of files"];
        let mut sort = |is: bool, what| if is { enforced.push(what) } else { not.push(what) };
        sort(self.tcp, "TCP ports");
        sort(self.scope, "signals and abstract sockets to the outside");
        format!("landlock: {}; not enforced: {}", enforced.join(", "), not.join(", "))
    }
}

/// What the running kernel can enforce; nothing if it has no Landlock.
pub(crate) fn support() -> Option<Support> {
    // Asked for without compromise, each by itself: making rules restricts nobody.
    let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let files = || strict().handle_access(AccessFs::from_all(ABI::V1));
    files().and_then(Ruleset::create).ok()?;
    let tcp = files().and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)));
    let scope = files().and_then(|rules| rules.scope(Scope::from_all(ABI::V6)));
    Some(Support {
        tcp: tcp.and_then(Ruleset::create).is_ok(),
        scope: scope.and_then(Ruleset::create).is_ok(),
    })
}

/// Takes every right from this process that is not granted.
///
/// # Errors
/// Why it could not be done; the command must not run then.
pub(crate) fn restrict(grants: &Grants) -> Result<(), String> {
    match restricted(grants) {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("Landlock refuses the rules: {error}")),
    }
}

fn restricted(grants: &Grants) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?;
    rules = rules.scope(Scope::from_all(NEWEST))?;
    if grants.reach != Reach::All {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let mut rules = rules
        .create()?
        .add_rules(path_beneath_rules(&grants.read, AccessFs::from_read(NEWEST)))?
        .add_rules(path_beneath_rules(&grants.write, AccessFs::from_all(NEWEST)))?;
    if let Reach::Port(port) = grants.reach {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}
