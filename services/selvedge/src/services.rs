//! The services of this build, and how each is started over a connection of its own.

use std::path::PathBuf;

use anyhow::Context as _;
use selvedge_contracts::{
    id::{KlusterName, ScopeId},
    role::Service,
};
use selvedge_kit::{
    bus::{self, Bus},
    clock::now_ms,
    credential::Login,
    metrics::Metrics,
    service::{Limits, Running},
};

use crate::{connect::Context, exit::Failure};

/// Services that this build can run.
pub(crate) const BUILT: &[Service] = &[
    Service::Registry,
    Service::Leases,
    Service::Artifacts,
    Service::Overlap,
    Service::Governance,
    Service::Committer,
    Service::Dispatcher,
];

/// Where services run, and under which bounds.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Servers, separated by commas.
    pub(crate) url: String,
    /// Longest wait for a connection, in milliseconds.
    pub(crate) connect_timeout_ms: u64,
    /// Bounds of every service.
    pub(crate) limits: Limits,
    /// Where their work is counted.
    pub(crate) metrics: Metrics,
    /// Where artifacts are kept.
    artifacts: selvedge_artifacts::Config,
    /// File with the keys of approvals.
    approval_keys: PathBuf,
    /// File with the secrets that effects may name.
    secrets: Option<PathBuf>,
    /// Folder for copies of remote repositories.
    copies: PathBuf,
    /// How long a committer has for an effect before another one may take it over, in milliseconds.
    takeover_ms: u64,
    /// Addresses that are not public and may be asked.
    allowed_networks: Vec<String>,
    /// Most bytes of contents that a committer holds.
    memory_bytes: u64,
    /// Bounds of spaces.
    spaces: selvedge_leases::SpaceLimits,
    /// Whether what looks like a new intent is asked about first.
    intents_overlap: selvedge_kit::creation::Asking,
    /// Whether what looks like a new plan is asked about first.
    plans_overlap: selvedge_kit::creation::Asking,
    /// Bounds of intents.
    intents: selvedge_governance::IntentLimits,
    /// How overlap waits, and where it keeps snapshots.
    overlap: Overlap,
}

/// How overlap waits, and where it keeps snapshots; what is not of a kluster.
#[derive(Debug, Clone)]
struct Overlap {
    snapshots: String,
    options: Vec<(String, String)>,
    settings: selvedge_kit::config::Overlap,
}

impl Place {
    /// At these servers, as the settings say.
    pub(crate) fn new(url: String, context: &Context, metrics: Metrics) -> Self {
        let config = &context.config;
        let limits = Limits {
            concurrency: config.service.max_in_flight,
            write_attempts: config.service.write_attempts,
            drain_ms: config.service.drain_ms,
            ..Limits::default()
        };
        let or_home = |set: &Option<PathBuf>, at_home: PathBuf| set.clone().unwrap_or(at_home);
        Self {
            url,
            connect_timeout_ms: config.nats.connect_timeout_ms,
            limits,
            metrics,
            artifacts: artifacts(context),
            spaces: spaces(&config.leases),
            intents_overlap: config.governance.overlap,
            plans_overlap: config.dispatcher.overlap,
            intents: intents(&config.governance),
            overlap: overlap(context),
            approval_keys: or_home(&config.governance.keys, context.home.approval_keys()),
            secrets: config.committer.secrets.clone(),
            copies: or_home(&config.committer.copies, context.home.repositories()),
            takeover_ms: config.committer.takeover_ms,
            allowed_networks: config.committer.allowed_networks.clone(),
            memory_bytes: config.committer.memory_bytes,
        }
    }

    /// What the committer of one kluster runs with.
    fn committer(
        &self,
        account: String,
        kluster: &KlusterName,
    ) -> Result<selvedge_committer::Config, Failure> {
        let networks = self.allowed_networks.iter().map(|network| network.parse());
        let networks: Result<Vec<selvedge_committer::Network>, _> = networks.collect();
        Ok(selvedge_committer::Config {
            account,
            secrets: self.secrets.clone(),
            copies: self.copies.join(kluster.as_str()),
            allowed_networks: networks.context("the setting `committer.allowed_networks`")?,
            memory_bytes: self.memory_bytes,
            takeover_ms: self.takeover_ms,
            steps: selvedge_kit::steps::Steps::default(),
        })
    }

    /// Connects as `login`, under a name that the server lists.
    ///
    /// # Errors
    /// The credential cannot be used or the server cannot be reached.
    pub(crate) async fn connect(&self, name: &str, login: Login) -> Result<Bus, Failure> {
        let options = bus::Options {
            url: self.url.clone(),
            name: format!("selvedge {name}"),
            connect_timeout_ms: self.connect_timeout_ms,
        };
        Ok(Bus::connect(&options, login).await.with_context(|| format!("{name} cannot connect"))?)
    }

    /// Starts a service. It answers from then on.
    ///
    /// # Errors
    /// It is not in this build, or cannot start.
    pub(crate) async fn start(
        &self,
        service: Service,
        kluster: &KlusterName,
        login: Login,
        signers: PathBuf,
    ) -> Result<Running, Failure> {
        let starting = || format!("cannot start {service}");
        // Whoever signed our credential signed the callers'.
        let claims = login.credential().and_then(|credential| credential.claims());
        let account = claims.with_context(starting)?.account().to_owned();
        let bus = self.connect(service.name(), login).await?;
        let (limits, metrics) = (self.limits, &self.metrics);
        let started = match service {
            Service::Registry => {
                let config = selvedge_registry::Config { signers };
                selvedge_registry::start(bus, &config, limits, metrics).await.with_context(starting)
            }
            Service::Leases => {
                let config = selvedge_leases::Config { account, spaces: self.spaces };
                selvedge_leases::start(bus, &config, limits, metrics).await.with_context(starting)
            }
            Service::Artifacts => {
                let started =
                    selvedge_artifacts::start(bus, &self.artifacts, kluster, &account, limits, metrics);
                started.await.with_context(starting)
            }
            Service::Governance => {
                let config = selvedge_governance::Config {
                    account,
                    keys: self.approval_keys.join(kluster.as_str()).with_extension("keys"),
                    intents: self.intents,
                    overlap: self.intents_overlap,
                };
                selvedge_governance::start(bus, &config, limits, metrics).await.with_context(starting)
            }
            Service::Committer => {
                let config = self.committer(account, kluster)?;
                selvedge_committer::start(bus, &config, limits, metrics).await.with_context(starting)
            }
            Service::Overlap => {
                let config = self.overlap.config(account, kluster);
                selvedge_overlap::service::start(bus, &config, limits, metrics).await.with_context(starting)
            }
            Service::Dispatcher => {
                let config = selvedge_dispatcher::Config { account, overlap: self.plans_overlap };
                selvedge_dispatcher::start(bus, &config, limits, metrics).await.with_context(starting)
            }
        };
        Ok(started?)
    }
}

/// The bounds of spaces, as the settings say.
fn spaces(settings: &selvedge_kit::config::Leases) -> selvedge_leases::SpaceLimits {
    selvedge_leases::SpaceLimits {
        spaces_per_mission: settings.spaces_per_mission,
        idle_space_ms: settings.idle_space_ms,
        leases: settings.leases_per_space,
        leases_per_holder: settings.leases_per_holder,
        waiters: settings.waiters_per_space,
        waiters_per_holder: settings.waiters_per_holder,
        pools: settings.pools_per_space,
    }
}

/// The bounds of intents, as the settings say.
fn intents(settings: &selvedge_kit::config::Governance) -> selvedge_governance::IntentLimits {
    selvedge_governance::IntentLimits {
        open_per_owner: settings.open_intents_per_owner,
        open_per_mission: settings.open_intents_per_mission,
        vain_per_owner: settings.vain_intents_per_owner,
    }
}

impl Overlap {
    /// What the service of one kluster runs with.
    fn config(&self, account: String, kluster: &KlusterName) -> selvedge_overlap::service::Config {
        selvedge_overlap::service::Config {
            account,
            kluster: kluster.clone(),
            snapshots: self.snapshots.clone(),
            options: self.options.clone(),
            snapshot_facts: self.settings.snapshot_facts,
            barrier_ms: self.settings.barrier_ms,
            open_per_owner: self.settings.open_per_owner,
            own_per_owner: self.settings.own_per_owner,
            pending_ttl_ms: self.settings.pending_ttl_ms,
            complete_ms: self.settings.complete_ms,
            second: self.settings.second_model.clone().map(|place| selvedge_overlap::service::SecondConfig {
                place,
                model: self.settings.second_model_name.clone(),
                key_file: self.settings.second_model_key_file.clone(),
                timeout_ms: self.settings.second_model_ms,
            }),
            steps: selvedge_kit::steps::Steps::default(),
        }
    }
}

fn overlap(context: &Context) -> Overlap {
    let settings = context.config.overlap.clone();
    let default = || context.home.overlap().display().to_string();
    let snapshots = settings.snapshots.clone().unwrap_or_else(default);
    Overlap { snapshots, options: of_stores(context), settings }
}

/// What the environment says of object stores.
fn of_stores(context: &Context) -> Vec<(String, String)> {
    const OF_STORES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
    let is_option = |name: &str| OF_STORES.iter().any(|prefix| name.to_ascii_uppercase().starts_with(prefix));
    let options = context.environment.iter().filter(|(name, _)| is_option(name));
    options.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Where artifacts are kept, as the settings and the environment say.
fn artifacts(context: &Context) -> selvedge_artifacts::Config {
    let default = || context.home.artifacts().display().to_string();
    selvedge_artifacts::Config {
        url: context.config.artifacts.url.clone().unwrap_or_else(default),
        options: of_stores(context),
        grace_ms: context.config.artifacts.grace_ms,
        pin_margin_ms: selvedge_artifacts::Config::PIN_MARGIN_MS,
        max_staged_bytes: context.config.artifacts.max_staged_bytes,
        overlap: context.config.artifacts.overlap,
    }
}

/// A name for an instance of a service that no other has: this machine's, this process's, and when.
///
/// # Errors
/// Never in practice: the parts are made to fit.
pub(crate) fn fresh_instance() -> Result<ScopeId, Failure> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    Ok(instance(&name, std::process::id(), now_ms()).context("cannot name the instance")?)
}

fn instance(machine: &str, pid: u32, at_ms: u64) -> Result<ScopeId, selvedge_contracts::id::InvalidToken> {
    const LONGEST_MACHINE: usize = 32;
    let fits = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let machine: String =
        machine.chars().take_while(|c| *c != '.').filter(fits).take(LONGEST_MACHINE).collect();
    ScopeId::new(&format!("i{machine}-{pid}-{at_ms:x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instances_name_fits_whatever_the_machine_is_called() {
        let long = "x".repeat(300);
        for machine in ["box", "", "Ümlaut_Box.example.org", "-", long.as_str()] {
            instance(machine, u32::MAX, u64::MAX).unwrap();
        }
        assert_eq!(instance("box.lan", 7, 255).unwrap().as_str(), "ibox-7-ff");
    }
}
