//! Command lines of well-known coding agents, as their documentation gives them for use without a person. None of
//! them was run when this was written: flags change from version to version, and `--` with a command of one's own
//! says the same and more.

use serde::Serialize;

use super::Prompt;
use crate::output;

/// How an agent is called.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Template {
    /// What it is called here.
    pub(crate) name: &'static str,
    /// Its command line.
    pub(crate) command: &'static [&'static str],
    /// How it takes its prompt.
    #[serde(skip)]
    pub(crate) prompt: Prompt,
    /// Variables with the keys that it needs.
    pub(crate) passes: &'static [&'static str],
    /// Where this is documented.
    pub(crate) source: &'static str,
}

/// All of them. Each talks to a model over the network, so the network is declared with each.
const ALL: [Template; 6] = [
    Template {
        name: "claude-code",
        command: &["claude", "-p", "--dangerously-skip-permissions"],
        prompt: Prompt::Stdin,
        passes: &["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"],
        source: "docs.claude.com, headless mode",
    },
    Template {
        name: "codex",
        command: &["codex", "exec", "--sandbox", "workspace-write", "--skip-git-repo-check", "-"],
        prompt: Prompt::Stdin,
        passes: &["OPENAI_API_KEY", "CODEX_API_KEY"],
        source: "developers.openai.com/codex, non-interactive mode",
    },
    Template {
        name: "gemini",
        command: &["gemini", "--approval-mode=yolo", "--skip-trust", "-p", "{prompt}"],
        prompt: Prompt::Arg,
        passes: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        source: "geminicli.com, headless mode",
    },
    Template {
        name: "aider",
        command: &[
            "aider",
            "--yes-always",
            "--no-auto-commits",
            "--no-check-update",
            "--message-file",
            "{prompt_file}",
        ],
        prompt: Prompt::File,
        passes: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "AIDER_MODEL"],
        source: "aider.chat, scripting",
    },
    Template {
        name: "opencode",
        command: &["opencode", "run", "{prompt}"],
        prompt: Prompt::Arg,
        passes: &["ANTHROPIC_API_KEY", "OPENAI_API_KEY"],
        source: "opencode.ai, CLI",
    },
    Template {
        name: "goose",
        command: &["goose", "run", "--no-session", "-i", "{prompt_file}"],
        prompt: Prompt::File,
        passes: &["GOOSE_PROVIDER", "GOOSE_MODEL", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"],
        source: "block.github.io/goose, CLI commands",
    },
];

/// The one of this name.
pub(crate) fn named(name: &str) -> Result<Template, String> {
    let names = || ALL.iter().map(|template| template.name).collect::<Vec<_>>().join(", ");
    let found = ALL.iter().find(|template| template.name == name).copied();
    found.ok_or_else(|| format!("there is no template {name:?}; there are {}", names()))
}

/// All of them.
pub(crate) const fn templates() -> &'static [Template] {
    &ALL
}

/// All of them, for people.
pub(crate) fn table() -> String {
    let row = |template: &Template| {
        [
            template.name.to_owned(),
            template.command.join(" "),
            template.passes.join(" "),
            "no".to_owned(),
            template.source.to_owned(),
        ]
    };
    let rows: Vec<_> = ALL.iter().map(row).collect();
    output::table(["name", "command", "passes", "run here", "documented at"], &rows, "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_template_takes_its_prompt_in_the_way_it_says() {
        for template in ALL {
            let has = |place: &str| template.command.iter().any(|word| word.contains(place));
            let fits = match template.prompt {
                Prompt::Stdin => !has("{"),
                Prompt::File => has("{prompt_file}"),
                Prompt::Arg => has("{prompt}"),
            };
            assert!(fits, "{}", template.name);
            assert_eq!(named(template.name).unwrap().command, template.command);
        }
        assert!(named("x").unwrap_err().contains("claude-code"));
        assert!(table().contains("codex exec"));
    }
}
