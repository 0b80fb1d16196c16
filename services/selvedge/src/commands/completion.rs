//! `selvedge completion`.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell as Generator, generate};

use crate::{cli::Cli, exit::Done};

/// Print the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(selvedge completion bash)
  selvedge completion zsh > ~/.zfunc/_selvedge
  selvedge completion fish > ~/.config/fish/completions/selvedge.fish")]
pub(crate) struct Completion {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    pub(crate) fn run(self) -> Done {
        let generator = match self.shell {
            Shell::Bash => Generator::Bash,
            Shell::Zsh => Generator::Zsh,
            Shell::Fish => Generator::Fish,
        };
        // `generate` panics where it cannot write, so it writes to memory.
        let mut script = Vec::new();
        generate(generator, &mut Cli::command(), "selvedge", &mut script);
        io::stdout().lock().write_all(&script)?;
        Ok(())
    }
}
