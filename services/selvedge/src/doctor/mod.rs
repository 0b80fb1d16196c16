//! `selvedge doctor`: looks for what is wrong, says what it saw, and what to do about it. Changes
//! nothing; its one attempt to do what is forbidden shows in the audit stream, as it should.

mod credentials;
mod facts;
mod followers;
mod machine;
mod probe;
mod report;
mod revocations;
mod rights;
mod server;
mod services;
mod snapshots;

use selvedge_contracts::id::KlusterName;
use selvedge_kit::{client::Client, credential::Login, metrics::Metrics};

use crate::{connect::Context, exit::Failure, services::Place};
use report::{Finding, Report};

/// Runs every check and prints what was found.
///
/// # Errors
/// A check failed.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    if context.home.klusters().is_empty() {
        context.until_up().await;
    }
    let klusters = context.klusters()?;
    let place = Place::new(context.url()?, context, Metrics::default());
    let mut found = vec![credentials::modes(&context.home)];
    found.extend(credentials::expiry(&context.home, context.named_kluster.as_ref()));
    found.push(machine::disk(&context.home));
    found.push(machine::isolation());
    found.push(probe::check(context).await);
    found.push(server::durability(&context.home, &place.url));
    if klusters.is_empty() {
        let fix = "run `selvedge up` or `selvedge init`, or name the folder with --home";
        found.push(Finding::fail("operator", "there is no operator credential here", fix));
    }
    for kluster in &klusters {
        found.extend(
            of_kluster(context, &place, kluster).await.into_iter().map(|finding| finding.of(kluster)),
        );
    }
    Report::new(found).print(context.output)
}

async fn of_kluster(context: &Context, place: &Place, kluster: &KlusterName) -> Vec<Finding> {
    let login = Login::File(context.home.operator_creds(kluster));
    let client = match place.connect("doctor", login).await {
        Ok(bus) => Client::new(bus),
        Err(failure) => {
            let fix = "start it with `selvedge up`; or name the server in nats.url or NATS_URL";
            return vec![Finding::fail("connection", failure.chain(), fix)];
        }
    };
    let mut found = server::checks(context, place, kluster, client.bus()).await;
    found.push(services::answering(client.bus()).await);
    found.push(followers::left_behind(client.bus()).await);
    found.push(facts::unread(client.bus()).await);
    found.push(snapshots::of_overlap(&client).await);
    found.extend(revocations::room(context, kluster));
    found.push(rights::operator(&client, kluster).await);
    found.push(rights::worker(context, place, kluster).await);
    found
}
