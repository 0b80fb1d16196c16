//! Handoffs as people name them: by their ids, or by what the hex digits of ids start with.

use std::str::FromStr;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::HandoffId,
    payload::handoff::{HandoffLine, HandoffList},
};
use selvedge_kit::client::Client;

use crate::{commands::plan::prefix, exit::Failure, paging};

/// A handoff as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct HandoffNamed(String);

impl FromStr for HandoffNamed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        prefix(text, "handoff").map(Self)
    }
}

impl HandoffNamed {
    /// The one handoff that is meant.
    ///
    /// # Errors
    /// `not_found` if there is none, [`Failure::Usage`] if there are several.
    pub(in crate::commands) async fn find(&self, client: &Client) -> Result<HandoffId, Failure> {
        let start = format!("handoff_{}", self.0);
        if let Ok(id) = HandoffId::new(&start) {
            return Ok(id);
        }
        let found = all(client, &HandoffList { all: true, ..HandoffList::default() }).await?;
        let mut meant = found.into_iter().map(|line| line.id).filter(|id| id.as_str().starts_with(&start));
        match (meant.next(), meant.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                Err(Failure::usage(format!("several handoffs start with {}: say more digits", self.0)))
            }
            (None, _) => Err(Fault::not_found(format!("no handoff starts with {}", self.0)).into()),
        }
    }
}

/// Every handoff that is asked for.
pub(super) async fn all(client: &Client, wanted: &HandoffList) -> Result<Vec<HandoffLine>, Fault> {
    let ask = async |after| {
        let wanted = HandoffList { after, ..wanted.clone() };
        let reply = client.call::<call::HandoffList>(&wanted).await?.reply;
        Ok((reply.handoffs, reply.more))
    };
    paging::all(|line: &HandoffLine| line.id.clone(), ask).await
}
