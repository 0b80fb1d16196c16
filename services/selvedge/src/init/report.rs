//! What the two steps of `init` did, and what comes next.

use std::path::PathBuf;

use serde::Serialize;

use super::files::AUTH_FILE;

#[derive(Serialize)]
pub(super) struct Prepared {
    pub(super) step: &'static str,
    pub(super) folder: PathBuf,
    pub(super) auth_file: PathBuf,
    pub(super) klusters: Vec<String>,
    pub(super) next: String,
}

#[derive(Serialize)]
pub(super) struct Provisioned {
    pub(super) step: &'static str,
    pub(super) url: String,
    pub(super) klusters: Vec<Reached>,
}

#[derive(Serialize)]
pub(super) struct Reached {
    pub(super) kluster: String,
    pub(super) servers: Vec<String>,
    pub(super) streams_created: Vec<String>,
    pub(super) operator_creds: PathBuf,
    pub(super) service_creds: Vec<PathBuf>,
    pub(super) signers: PathBuf,
}

pub(super) fn human_prepared(prepared: &Prepared) -> String {
    format!(
        "step 1 of 2 is done: keys of {} in {}\n\n\
         Now, on every nats-server of the cluster:\n  \
         copy {} beside its configuration, and add to that\n      include \"{AUTH_FILE}\"\n      \
         jetstream: {{ store_dir: \"...\", sync_interval: always }}\n  \
         then restart it. The file holds no secret; {} holds all of them.\n\n\
         Then step 2: {}",
        prepared.klusters.join(", "),
        prepared.folder.display(),
        prepared.auth_file.display(),
        prepared.folder.join("authority").display(),
        prepared.next,
    )
}

pub(super) fn human_provisioned(provisioned: &Provisioned) -> String {
    let mut lines = vec![format!("step 2 of 2 is done: the servers at {} are a fabric", provisioned.url)];
    for reached in &provisioned.klusters {
        lines.push(format!("  kluster {}: known to {}", reached.kluster, reached.servers.join(", ")));
        lines.push(format!(
            "    streams made  {}",
            if reached.streams_created.is_empty() {
                "none; they were there".to_owned()
            } else {
                reached.streams_created.join(", ")
            }
        ));
        lines.push(format!("    operator      {}", reached.operator_creds.display()));
        lines
            .extend(reached.service_creds.iter().map(|path| format!("    service       {}", path.display())));
        lines.push(format!("    signers       {}", reached.signers.display()));
    }
    lines.push(String::new());
    lines.push(
        "Next: selvedge serve registry artifacts   here, or elsewhere with a service's file and the signers"
            .to_owned(),
    );
    lines.join("\n")
}
