//! `selvedge worker`.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use selvedge_contracts::{id::QueueName, role::Role};

use super::{attending::Attending, lease::Who};
use crate::{
    bounds::{Bounds, port},
    connect::Context,
    exit::{Done, Failure},
    input::milliseconds,
    worker::{Collect, Keep, Prompt, Setup, Template, named, table, templates, work},
};

/// Have a command do the tasks of a queue: any command-line agent becomes a worker.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge worker --as ada -- ./my-agent
  selvedge worker --as ada --queue rust --cap 4 -- sh -c 'make fix && echo {\\\"fixed\\\": true} > $SELVEDGE_OUTPUT'
  selvedge worker --as ada --template claude-code
  selvedge worker --as ada --once --collect diff --read ~/.rustup --pass-env RUSTUP_HOME -- ./agent {prompt}
  selvedge worker --templates

Each attempt has a folder of its own: a checkout of the branch that its plan names (or an empty folder), a
HOME, a TMPDIR. A program that is named by a path is the one that this means here, at the start; it may be read, and what
else it needs beside the system is to be named with --read. The environment is cleared but for PATH, LANG, TERM and what --pass-env names. The command finds
  SELVEDGE_TASK, SELVEDGE_ATTEMPT, SELVEDGE_AGENT, SELVEDGE_MISSION
  SELVEDGE_WORKSPACE, SELVEDGE_BASE   where it runs, and the commit that was checked out
  SELVEDGE_INPUTS, SELVEDGE_TASK_FILE what the tasks before it handed in, the task (JSON files)
  SELVEDGE_PROMPT                     the task in words; also on its standard input (--prompt)
  SELVEDGE_OUTPUT                     where its output is to be written, as JSON (--collect)
  SELVEDGE_EFFECTS                    folder for what the task changes outside: NAME.json for each effect of its
                                      plan, as `selvedge intent propose` takes it (the payload of governance.propose)
  SELVEDGE_CREDS                      a credential for this attempt alone, under which `selvedge` within asks
  SELVEDGE_LEASES                     leases on what the task reserves, as `--lease` takes them
What differs in the checkout in the end is stored as a change set, and its reference stands in the output at
/change, or where the plan says.

It ends with status
  0      to have its output handed in
  75     to be tried again later (EX_TEMPFAIL)
  65     if it is no use to try again (EX_DATAERR)
  else   it failed; the end of what it said stands in the task's history
It is told to end (SIGTERM, SIGKILL after --grace, all that came of it) at the end of its time, when its
claim is lost or its plan cancelled, and when the worker is stopped; a second Ctrl-C kills at once. It does not
outlive a worker that is killed.

With --once it ends with 13 if the attempt came to nothing.")]
pub(crate) struct Worker {
    /// The queue.
    #[arg(long, default_value = "default")]
    queue: QueueName,
    /// Only start as this role.
    #[arg(long)]
    role: Option<Role>,
    /// Most tasks at once: 1 to 256.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    cap: u16,
    /// How long a claim lasts without being renewed: 2s to 1h.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = milliseconds)]
    ttl: u64,
    /// One task, then exit.
    #[arg(long)]
    once: bool,
    /// Exit after so long without a task.
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    idle_exit: Option<u64>,
    /// How the command gets its prompt.
    #[arg(long, value_enum, value_name = "HOW")]
    prompt: Option<Prompt>,
    /// What is handed in.
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    collect: Collect,
    /// With --collect files: a file of the workspace; repeat for more.
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Which folders of attempts are kept to be looked at, the newest twenty.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    keep: Keep,
    /// Time for a command to end once it is told to.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = milliseconds)]
    grace: u64,
    /// The command line of a well-known coding agent, instead of a command.
    #[arg(long, value_name = "NAME", value_parser = named, conflicts_with = "command")]
    template: Option<Template>,
    /// List those, and exit.
    #[arg(long)]
    templates: bool,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    who: Who,
    /// The command and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Worker {
    pub(crate) async fn run(self, context: &Context) -> Done {
        if self.templates {
            return Ok(context.output.print_all(templates(), |_| table())?);
        }
        let (mut command, prompt) = self.asked_for()?;
        let (passes, network) = self.template.map_or((&[][..], false), |template| (template.passes, true));
        let mut held = self.bounds.held(context, passes, network)?;
        if let Some(program) = command.first_mut() {
            *program = held.program(context, program)?;
        }
        let attending =
            Attending::begin(context, &self.who, self.role, self.bounds.work_folder.as_deref()).await?;
        let url = attending.url.clone();
        let setup = Setup {
            client: attending.client.clone(),
            me: attending.client.bus().me().agent.clone(),
            mission: attending.mission.clone(),
            kluster: context.kluster.clone(),
            port: port(&url),
            url,
            queue: self.queue,
            ttl_ms: self.ttl,
            cap: usize::from(self.cap),
            once: self.once,
            idle_exit: self.idle_exit.map(Duration::from_millis),
            command,
            prompt,
            collect: self.collect,
            files: self.files,
            keep: self.keep,
            grace_ms: self.grace,
            rooms: attending.rooms()?,
            events: attending.events,
            stop: attending.stop.clone(),
            kill: attending.kill.clone(),
            held,
        };
        attending.events.tell("started", &setup.held.isolation.told());
        let grace = humantime::format_duration(Duration::from_millis(self.grace));
        let stopped =
            format!("what is under way is told to end, and killed after {grace}; once more kills it at once");
        attending.until_stopped(stopped, work(Arc::new(setup))).await
    }

    fn asked_for(&self) -> Result<(Vec<OsString>, Prompt), Failure> {
        let (command, otherwise) = match self.template {
            Some(template) => (template.command.iter().map(OsString::from).collect(), template.prompt),
            None => (self.command.clone(), Prompt::default()),
        };
        if command.is_empty() {
            return Err(Failure::usage("say what does the tasks: -- COMMAND, or --template NAME"));
        }
        let prompt = self.prompt.unwrap_or(otherwise);
        let names = |place: &str| command.iter().any(|word| word.to_string_lossy().contains(place));
        if prompt == Prompt::Arg && !names("{prompt}") {
            return Err(Failure::usage("--prompt arg needs a place for it in the command: {prompt}"));
        }
        if self.collect == Collect::Files && self.files.is_empty() {
            return Err(Failure::usage("--collect files needs the files: --file PATH"));
        }
        Ok((command, prompt))
    }
}
