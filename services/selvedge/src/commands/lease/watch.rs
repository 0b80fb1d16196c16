//! `selvedge lease watch`: what becomes of leases, as it happens.

mod event;

use clap::Args;
use futures::StreamExt as _;
use selvedge_contracts::{
    fault::Fault,
    id::SpaceId,
    payload::lease::{Lease, LeaseList},
    subject::{self, leases_in, leases_in_space},
};
use selvedge_kit::clock::Deadline;

use self::event::Known;
pub(super) use self::event::{Event, Happened};
use super::{Asking, Who, list};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    output::{Format, hint, say},
    stop,
};

/// Watch leases being granted, renewed, waited for, released and expired.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease watch
  selvedge lease watch --space shop
  selvedge lease watch --as ada -o jsonl

It shows every space of the mission unless --space is said. Ctrl-C ends it. What happens while the
connection is down is not shown; `selvedge lease list` has what is.")]
pub(crate) struct Watch {
    /// Only in this space.
    #[arg(long)]
    space: Option<SpaceId>,
    #[command(flatten)]
    who: Who,
}

/// How long the subscription may take to stand, in milliseconds.
const STAND_MS: u64 = 5_000;

impl Watch {
    pub(super) async fn run(self, context: &Context) -> Done {
        let stop = stop::on_signal()?;
        let asking = self.who.anybody(context).await?;
        let mut events = Events::open(&asking, self.space.as_ref()).await?;
        if context.output == Format::Human {
            hint("watching; Ctrl-C ends");
        }
        while let Some(Some(event)) = stop.run_until_cancelled(events.next()).await {
            match context.output {
                Format::Human => say(&event.human())?,
                output => output.print(&event, |_| String::new())?,
            }
        }
        Ok(())
    }
}

/// What becomes of leases.
pub(super) struct Events {
    // Of the kit's connection, which alone knows what it is.
    heard: futures::stream::BoxStream<'static, Option<event::Heard>>,
    known: Known,
}

impl Events {
    /// From now on, of one space or of all.
    pub(super) async fn open(asking: &Asking, space: Option<&SpaceId>) -> Result<Self, Failure> {
        let mission = &asking.mission;
        let filter = space.map_or_else(|| leases_in(Some(mission)), |space| leases_in_space(mission, space));
        let events = Self::heard_at(asking, &filter).await?;
        // What is there already, so that the end of a lease can say whose it was: without it, it does not.
        let wanted = LeaseList { space: space.cloned(), ..LeaseList::default() };
        let known = Known::new(list::all(&asking.client, &wanted).await.unwrap_or_default());
        Ok(Self { known, ..events })
    }

    /// From now on, of one lease.
    pub(super) async fn of(asking: &Asking, lease: &Lease) -> Result<Self, Failure> {
        Self::heard_at(asking, &subject::lease(&asking.mission, &lease.space, &lease.id)).await
    }

    async fn heard_at(asking: &Asking, filter: &str) -> Result<Self, Failure> {
        let bus = asking.client.bus();
        let heard = bus.subscribe(filter, None).await;
        let heard = heard.map_err(|error| Fault::unavailable(error.to_string()))?;
        bus.flush(Deadline::in_ms(STAND_MS)).await;
        let heard = heard.map(|message| {
            let headers = message.headers.as_ref();
            let header = |name: &str| headers?.get(name).map(|value| value.as_str().to_owned());
            event::read(&message.subject, &message.payload, header)
        });
        Ok(Self { heard: heard.boxed(), known: Known::default() })
    }

    /// The next event; nothing once the connection is closed for good.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(heard) = self.heard.next().await? {
                return Some(self.known.take_in(heard));
            }
        }
    }

    /// Waits until a lease is gone; for ever, if the connection is closed.
    pub(super) async fn gone(&mut self) {
        while let Some(event) = self.next().await {
            if matches!(event.event, Happened::Released | Happened::Expired) {
                return;
            }
        }
        std::future::pending().await
    }
}
