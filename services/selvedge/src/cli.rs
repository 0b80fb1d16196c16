//! The command line: its grammar, and the way from it to a command.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use selvedge_contracts::id::KlusterName;
use selvedge_kit::config::{Config, Environment};

use crate::{commands, connect::Context, exit::Failure, home::Home, output::Format};

/// A coordination fabric for fleets of AI agents, on NATS JetStream.
#[derive(Debug, Parser)]
#[command(name = "selvedge", version, propagate_version = true)]
pub struct Cli {
    /// Folder of the fabric; else the nearest .selvedge at or above the current folder.
    #[arg(long, global = true, env = "SELVEDGE_HOME", value_name = "FOLDER")]
    home: Option<PathBuf>,
    /// Settings file; else selvedge.toml in the fabric's folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Kluster meant.
    #[arg(long, global = true, default_value = "main", env = "SELVEDGE_KLUSTER")]
    kluster: KlusterName,
    /// How results are shown.
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(commands::up::Up),
    Serve(commands::serve::Serve),
    Init(commands::init::Init),
    Kluster(commands::kluster::Klusters),
    Status(commands::status::Status),
    Doctor(commands::doctor::Doctor),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    match perform(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {}", failure.chain());
            failure.code()
        }
    }
}

fn perform(cli: Cli) -> Result<(), Failure> {
    let directory = std::env::current_dir().context("cannot tell the current folder")?;
    let environment = Environment::of_process();
    let named = cli
        .home
        .map(std::path::absolute)
        .transpose()
        .context("cannot tell the folder")?;
    let home = Home::find(named.as_deref(), &directory);
    let file = cli.config.or_else(|| home.settings_below(&directory));
    let config = Config::load(file.as_deref(), &directory, &environment)
        .context("cannot read the settings")?;
    let context = Context {
        home,
        config,
        environment,
        kluster: cli.kluster,
        output: cli.output,
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
    runtime.block_on(async {
        match cli.command {
            Command::Up(up) => up.run(context).await,
            Command::Serve(serve) => serve.run(context).await,
            Command::Init(init) => init.run(context).await,
            Command::Kluster(kluster) => kluster.run(context).await,
            Command::Status(status) => status.run(context).await,
            Command::Doctor(doctor) => doctor.run(context).await,
        }
    })
}
