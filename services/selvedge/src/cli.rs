//! The command line: its grammar, and the way from it to a command.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum as _, value_parser};
use selvedge_contracts::id::KlusterName;
use selvedge_kit::{
    config::{Config, Environment},
    telemetry,
};

use crate::{
    commands::{
        agent, approval, artifact, blame, call, case, completion, contract, dead, doctor, eval, handoff,
        hook, init, intent, kluster, lease, log, memory, mission, overlap, plan, policy, repository, request,
        saga, scratch, serve, session, status, tap, task, up, verifier, worker,
    },
    connect::Context,
    exit::{self, Done, Failure},
    home::Home,
    output::Format,
};

/// Heading of the options that every verb has, apart from its own.
pub(crate) const COMMON: &str = "Common options";

/// A coordination fabric for fleets of AI agents, on NATS JetStream.
#[derive(Debug, Parser)]
#[command(name = "selvedge", version, propagate_version = true, after_help = exit::HELP)]
pub struct Cli {
    /// Folder of the fabric; else the nearest .selvedge at or above the current folder.
    #[arg(long, global = true, help_heading = COMMON, env = "SELVEDGE_HOME", value_name = "FOLDER", value_parser = value_parser!(OsString))]
    home: Option<OsString>,
    /// Settings file; else selvedge.toml in the fabric's folder.
    #[arg(long, global = true, help_heading = COMMON, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Kluster meant: main unless said; status and doctor look at all of the folder then.
    #[arg(long, global = true, help_heading = COMMON, env = "SELVEDGE_KLUSTER")]
    kluster: Option<KlusterName>,
    /// How results are shown.
    #[arg(long, short, global = true, help_heading = COMMON, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Serve(serve::Serve),
    Init(init::Init),
    Kluster(kluster::Klusters),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Eval(eval::Eval),
    #[command(subcommand)]
    Agent(agent::Agent),
    #[command(subcommand)]
    Session(session::Session),
    #[command(subcommand)]
    Mission(mission::Mission),
    #[command(subcommand)]
    Request(request::Request),
    #[command(subcommand)]
    Contract(contract::Contract),
    #[command(subcommand)]
    Artifact(artifact::Artifact),
    #[command(subcommand)]
    Lease(lease::Lease),
    #[command(subcommand)]
    Overlap(overlap::Overlap),
    #[command(subcommand)]
    Plan(plan::Plan),
    #[command(subcommand)]
    Task(task::Task),
    Worker(Box<worker::Worker>),
    Verifier(verifier::Verifier),
    #[command(subcommand)]
    Dead(dead::Dead),
    #[command(subcommand)]
    Case(case::Case),
    #[command(subcommand)]
    Handoff(handoff::Handoff),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Hook(hook::Hook),
    Blame(blame::Blame),
    #[command(subcommand)]
    Intent(intent::Intent),
    #[command(subcommand)]
    Approval(approval::Approval),
    #[command(subcommand)]
    Saga(saga::Saga),
    #[command(subcommand)]
    Memory(memory::Memory),
    #[command(subcommand)]
    Scratch(scratch::Scratch),
    #[command(subcommand)]
    Repository(repository::Repository),
    Log(log::Log),
    Tap(tap::Tap),
    Call(call::Call),
    Completion(completion::Completion),
}

async fn dispatch(command: Command, context: Context) -> Done {
    if command.needs_a_fabric() {
        context.until_started().await;
    }
    match command {
        Command::Up(verb) => verb.run(context).await,
        Command::Serve(verb) => verb.run(context).await,
        Command::Init(verb) => verb.run(context).await,
        Command::Kluster(verb) => verb.run(context).await,
        Command::Status(verb) => verb.run(context).await,
        Command::Doctor(verb) => verb.run(context).await,
        Command::Eval(verb) => verb.run(&context).await,
        Command::Agent(verb) => verb.run(&context).await,
        Command::Session(verb) => verb.run(&context).await,
        Command::Mission(verb) => verb.run(&context).await,
        Command::Request(verb) => verb.run(&context).await,
        Command::Contract(verb) => verb.run(&context).await,
        Command::Artifact(verb) => verb.run(&context).await,
        Command::Lease(verb) => verb.run(&context).await,
        Command::Overlap(verb) => verb.run(&context).await,
        Command::Plan(verb) => verb.run(&context).await,
        Command::Task(verb) => verb.run(&context).await,
        Command::Worker(verb) => verb.run(&context).await,
        Command::Verifier(verb) => verb.run(&context).await,
        Command::Dead(verb) => verb.run(&context).await,
        Command::Case(verb) => verb.run(&context).await,
        Command::Handoff(verb) => verb.run(&context).await,
        Command::Policy(verb) => verb.run(&context).await,
        Command::Hook(verb) => verb.run(&context).await,
        Command::Blame(verb) => verb.run(&context).await,
        Command::Intent(verb) => verb.run(&context).await,
        Command::Approval(verb) => verb.run(&context).await,
        Command::Saga(verb) => verb.run(&context).await,
        Command::Memory(verb) => verb.run(&context).await,
        Command::Scratch(verb) => verb.run(&context).await,
        Command::Repository(verb) => verb.run(&context).await,
        Command::Log(verb) => verb.run(&context).await,
        Command::Tap(verb) => verb.run(&context).await,
        Command::Call(verb) => verb.run(&context).await,
        Command::Completion(verb) => verb.run(),
    }
}

impl Command {
    /// Whether it is of no use before an `up` that is starting is ready.
    const fn needs_a_fabric(&self) -> bool {
        !matches!(self, Self::Up(_) | Self::Init(_) | Self::Completion(_))
    }

    /// What is logged if the settings do not say: a service tells more than a command.
    const fn default_log(&self) -> &'static str {
        match self {
            Self::Up(_) | Self::Serve(_) => DEFAULT_LOG,
            // Runs on: that the connection was lost in between is worth knowing.
            Self::Tap(_) | Self::Worker(_) | Self::Verifier(_) => "warn,async_nats=off",
            // What the connection says is part of the error that ends the command.
            _ => "warn,async_nats=off,selvedge_kit::bus=off",
        }
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let output = cli.output;
    match perform(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(output),
    }
}

/// Tells what is wrong with the command line, in the form asked for; or the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    match format_asked_for(std::env::args_os()) {
        Format::Json | Format::Jsonl if error.use_stderr() => {
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text).trim();
            Failure::usage(text).report(Format::Json)
        }
        _ => error.exit(),
    }
}

/// The form of results that a command line asks for, also one that is wrong.
fn format_asked_for(words: impl IntoIterator<Item = OsString>) -> Format {
    let mut words = words.into_iter().map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        let value = match word.as_str() {
            "--" => break,
            "-o" | "--output" => words.next(),
            word => word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o")).map(str::to_owned),
        };
        let value = value.map(|value| Format::from_str(value.trim_start_matches('='), true));
        if let Some(Ok(format)) = value {
            return format;
        }
    }
    Format::default()
}

fn perform(cli: Cli) -> Done {
    let directory = std::env::current_dir().context("cannot tell the current folder")?;
    let environment = Environment::of_process();
    // An empty variable is none, as everywhere else.
    let named = cli.home.filter(|home| !home.is_empty());
    let named = named.map(std::path::absolute).transpose().context("cannot tell the folder")?;
    let home = Home::find(named.as_deref(), &directory);
    let file = cli.config.or_else(|| home.settings_below(&directory));
    let mut config =
        Config::load(file.as_deref(), &directory, &environment).context("cannot read the settings")?;
    if environment.get(LOG_VARIABLE).is_none() && config.telemetry.log == DEFAULT_LOG {
        config.telemetry.log = cli.command.default_log().to_owned();
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
    // Dropped after the runtime's work is done, and outside of it: it waits for the last spans.
    let _telemetry = telemetry::init(&config.telemetry, "selvedge", &environment)
        .context("cannot set up logs and traces")?;
    let named_kluster = cli.kluster;
    let main = || KlusterName::new(MAIN).map_err(anyhow::Error::from);
    let kluster = named_kluster.clone().map_or_else(main, Ok)?;
    let context = Context { home, config, environment, kluster, named_kluster, output: cli.output };
    runtime.block_on(dispatch(cli.command, context))
}

/// The kluster that is meant where none is named.
const MAIN: &str = "main";
const LOG_VARIABLE: &str = "SELVEDGE_TELEMETRY__LOG";
/// What `deploy/selvedge.toml` says of `telemetry.log`.
const DEFAULT_LOG: &str = "info,async_nats=warn";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_default_log_is_that_of_the_settings() {
        let config = Config::load(None, std::path::Path::new("/nowhere"), &Environment::default()).unwrap();
        assert_eq!(config.telemetry.log, DEFAULT_LOG);
    }

    #[test]
    fn what_every_verb_has_stands_apart_from_its_own_options() {
        let mut command = Cli::command();
        command.build();
        let submit = command.find_subcommand_mut("plan").unwrap().find_subcommand_mut("submit").unwrap();
        let help = submit.render_long_help().to_string();
        let (own, common) = help.split_once(COMMON).unwrap();
        for option in ["--home", "--config", "--kluster", "--output"] {
            assert!(common.contains(option) && !own.contains(option), "{option}: {help}");
        }
        assert!(own.contains("--check"), "{help}");
    }

    #[test]
    fn the_form_asked_for_is_known_though_the_rest_is_wrong() {
        for (line, wanted) in [
            ("selvedge plan show zzzz -o json", Format::Json),
            ("selvedge -ojsonl plan", Format::Jsonl),
            ("selvedge plan --output=json --nonsense", Format::Json),
            ("selvedge --output jsonl", Format::Jsonl),
            ("selvedge lease hold x -- cat -o json", Format::Human),
            ("selvedge plan show --out json", Format::Human),
            ("selvedge -o nonsense", Format::Human),
        ] {
            assert_eq!(format_asked_for(line.split(' ').map(OsString::from)), wanted, "{line}");
        }
    }

    #[test]
    fn every_verb_has_help_and_every_leaf_an_example() {
        fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no help");
            if command.get_subcommands().next().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                if !help.contains("selvedge ") {
                    found.push(path.clone());
                }
            }
            command.get_subcommands().for_each(|inner| leaves(inner, &path, found));
        }
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        assert_eq!(found, Vec::<String>::new(), "verbs without an example");
    }

    #[test]
    fn both_forms_of_register_parse() {
        for line in [
            "selvedge agent register ada --role worker --mission demo --owner person:olga --capability rust --ttl 2h",
            "selvedge agent register ada --join - --key ada.nk",
            "selvedge tap --mission demo --entity session --facts -o jsonl",
            "selvedge call registry.whoami {} --as ada --mission demo",
            "selvedge log contract research.summary/2",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap();
        }
        for line in [
            "selvedge agent register ada --join - --role worker",
            "selvedge agent register Ada --role worker --mission demo",
            "selvedge agent invite --role king --mission demo",
            "selvedge session list --ttl 1h",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
