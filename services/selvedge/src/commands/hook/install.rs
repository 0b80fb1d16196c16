//! `selvedge hook install` and `selvedge hook uninstall`.

use clap::Args;
use selvedge_contracts::{
    fault::Fault,
    id::{Mission, SpaceId},
};
use serde_json::json;

use super::{
    check::repository,
    files::{Found, Hook, is_there, put_aside, remove},
    script::Script,
};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::hint,
    repository::Repository,
};

/// Install the hooks in the git repository around the current folder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge hook install
  selvedge hook install --as ada --mission demo
  selvedge hook install --space shop --fail-open

They are pre-commit and pre-merge-commit, and go where git looks for them (core.hooksPath, worktrees). A hook
that is there already is kept as pre-commit.chained (pre-merge-commit.chained) and runs first; with --force it
is put aside as pre-commit.replaced and runs no more.
A commit needs the fabric: if that cannot be reached there is none, unless --fail-open was given here or
SELVEDGE_HOOK=off is set then. Who commits is said by SELVEDGE_AGENT, else by --as given here, else it is
the only agent registered here, else the operator.")]
pub(crate) struct Install {
    /// Put a hook that is there already aside instead of running it first; install even where
    /// core.hooksPath serves other repositories too.
    #[arg(long)]
    force: bool,
    /// Let commits pass, with a warning, while the fabric cannot be reached.
    #[arg(long)]
    fail_open: bool,
    /// Whose commits they are, unless SELVEDGE_AGENT says so.
    #[arg(long = "as", value_name = "AGENT")]
    agent: Option<String>,
    /// The mission, unless SELVEDGE_MISSION says so.
    #[arg(long)]
    mission: Option<Mission>,
    /// The space, unless SELVEDGE_SPACE says so.
    #[arg(long)]
    space: Option<SpaceId>,
}

impl Install {
    pub(super) fn run(self, context: &Context) -> Done {
        let repository = repository()?;
        if !self.force {
            of_this_repository_alone(&repository)?;
        }
        let hooks = Hook::all(&repository)?;
        for hook in &hooks {
            self.install(hook, context)?;
        }
        let chained: Vec<_> = hooks.iter().map(Hook::chained).filter(|path| is_there(path)).collect();
        let [hook, merges] = hooks.map(|hook| hook.path());
        let result = json!({
            "hook": hook, "merge_hook": merges, "chained": chained, "fail_open": self.fail_open,
        });
        context.output.print(&result, |_| {
            let chained = chained
                .iter()
                .map(|path| format!("\nthe hook before it is {} and runs first", path.display()));
            format!("installed {} and {}{}", hook.display(), merges.display(), chained.collect::<String>())
        })?;
        Ok(())
    }

    fn install(&self, hook: &Hook, context: &Context) -> Done {
        let script = self.script(hook, context)?;
        let found = hook.found()?;
        match (found, self.force) {
            (Found::Foreign, false) => put_aside(&hook.path(), &hook.chained())?,
            (Found::Foreign, true) => put_aside(&hook.path(), &hook.replaced())?,
            (Found::Nothing | Found::Ours, _) => {}
        }
        hook.write(&script.text()).inspect_err(|_| put_back(hook, found, self.force))
    }

    fn script(&self, hook: &Hook, context: &Context) -> Result<Script, Failure> {
        let home = context.home.path();
        let text = |value: &dyn ToString| Some(value.to_string().into());
        let kluster = &context.kluster;
        let defaults = [
            ("SELVEDGE_HOME", home.is_dir().then(|| home.as_os_str().to_owned())),
            ("SELVEDGE_KLUSTER", text(kluster)),
            ("SELVEDGE_AGENT", self.agent.as_ref().and_then(|agent| text(agent))),
            ("SELVEDGE_MISSION", self.mission.as_ref().and_then(|mission| text(mission))),
            ("SELVEDGE_SPACE", self.space.as_ref().and_then(|space| text(space))),
        ];
        Ok(Script {
            binary: std::env::current_exe()?.into_os_string(),
            defaults: defaults.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            chained: hook.chained_name(),
            fails_open: self.fail_open,
        })
    }
}

/// The hook cannot be written: what was moved for it goes back.
fn put_back(hook: &Hook, found: Found, force: bool) {
    if found == Found::Foreign {
        let aside = if force { hook.replaced() } else { hook.chained() };
        if put_aside(&aside, &hook.path()).is_err() {
            hint(&format!("the hook that was there is now {}", aside.display()));
        }
    }
}

/// Refuses a folder of hooks that git was told of for every repository of this user or machine.
fn of_this_repository_alone(repository: &Repository) -> Result<(), Failure> {
    if repository.setting("core.hooksPath")?.is_none() {
        return Ok(());
    }
    let found = repository.ask(&["config", "--show-scope", "--get", "core.hooksPath"])?;
    let found = found.to_string_lossy();
    match found.split_once('\t') {
        Some((scope @ ("system" | "global"), path)) => Err(Failure::usage(format!(
            "core.hooksPath is {path} in the {scope} settings of git, for all repositories: --force installs the hook for all of them, `git config core.hooksPath .git/hooks` gives this one its own"
        ))),
        _ => Ok(()),
    }
}

/// Remove the hooks, and put back those that were there before.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge hook uninstall

A hook that `selvedge hook install --force` put aside stays as pre-commit.replaced.")]
pub(crate) struct Uninstall {}

impl Uninstall {
    pub(super) fn run(self, context: &Context) -> Done {
        let Self {} = self;
        let hooks = Hook::all(&repository()?)?;
        let mut removed = Vec::new();
        for hook in &hooks {
            if hook.found()? == Found::Ours {
                remove(&hook.path())?;
                let is_chained = is_there(&hook.chained());
                if is_chained {
                    put_aside(&hook.chained(), &hook.path())?;
                }
                removed.push((hook.path(), is_chained));
            }
        }
        let [hook, _] = hooks;
        let Some((path, is_chained)) = removed.first() else {
            return Err(not_ours(&hook)?.into());
        };
        let result = json!({ "hook": path, "restored": is_chained });
        context.output.print(&result, |_| {
            let lines = removed.iter().map(|(path, is_chained)| {
                let restored = if *is_chained { "; the hook that was there before is back" } else { "" };
                format!("removed {}{restored}", path.display())
            });
            lines.collect::<Vec<_>>().join("\n")
        })?;
        Ok(())
    }
}

/// Why there is nothing to remove.
fn not_ours(hook: &Hook) -> Result<Fault, Failure> {
    let path = hook.path();
    Ok(match hook.found()? {
        Found::Nothing => Fault::not_found(format!("there is no hook {}", path.display())),
        Found::Foreign | Found::Ours => {
            Fault::conflict(format!("{} is not selvedge's; it stays", path.display()))
        }
    })
}
