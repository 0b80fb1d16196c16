//! `selvedge overlap explain`.

use clap::Args;
use selvedge_contracts::{
    call,
    payload::overlap::{Explain as Wanted, Explained, Side, Text},
};
use selvedge_kit::client::Client;

use super::{id::Named, shown};
use crate::{
    commands::lease::Who,
    connect::Context,
    exit::{Done, Failure},
    output::{fields, table},
};

/// Explain how two things are alike: creations, or texts.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge overlap explain 0a1b2c3d4e5f 18293a4b5c6d
  selvedge overlap explain 'Add a cache' 'Remove the cache' -o json")]
pub(crate) struct Explain {
    /// A creation (its id, or the first 8 or more hex digits of it), or a title.
    one: String,
    /// Another one.
    other: String,
    #[command(flatten)]
    who: Who,
}

impl Explain {
    pub(super) async fn run(self, context: &Context) -> Done {
        let asking = self.who.anybody(context).await?;
        let one = side(&asking.client, self.one).await?;
        let other = side(&asking.client, self.other).await?;
        let explained = asking.client.call::<call::OverlapExplain>(&Wanted { one, other }).await?.reply;
        context.output.print(&explained, human)?;
        Ok(())
    }
}

async fn side(client: &Client, text: String) -> Result<Side, Failure> {
    match text.parse::<Named>() {
        Ok(named) => Ok(Side::Creation(named.find(client).await?)),
        Err(_) => Ok(Side::Text(Text { title: text, ..Text::default() })),
    }
}

fn human(explained: &Explained) -> String {
    let head = fields(&[
        ("score", shown::share(explained.score)),
        ("level", shown::level(explained.level)),
        ("why", shown::reasons(&explained.reasons)),
        ("rests on", shown::basis(&explained.basis)),
    ]);
    let thousandths = |share: i32| shown::share(u16::try_from(share.clamp(0, 1000)).unwrap_or(0));
    let row = |feature: &selvedge_contracts::payload::overlap::FeatureShare| {
        [feature.name.clone(), thousandths(feature.share)]
    };
    let rows: Vec<_> = explained.features.iter().map(row).collect();
    format!("{head}\n{}", table(["feature", "share"], &rows, ""))
}
