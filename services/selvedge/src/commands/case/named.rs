//! Cases as people name them: by their ids, or by what the hex digits of ids start with.

use std::str::FromStr;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::CaseId,
    payload::case::{CaseLine, CaseList},
};
use selvedge_kit::client::Client;

use crate::{commands::plan::prefix, exit::Failure, paging};

/// A case as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct CaseNamed(String);

impl FromStr for CaseNamed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        prefix(text, "case").map(Self)
    }
}

impl CaseNamed {
    /// The one case that is meant.
    ///
    /// # Errors
    /// `not_found` if there is none, [`Failure::Usage`] if there are several.
    pub(in crate::commands) async fn find(&self, client: &Client) -> Result<CaseId, Failure> {
        let start = format!("case_{}", self.0);
        if let Ok(id) = CaseId::new(&start) {
            return Ok(id);
        }
        let found = all(client, &CaseList { all: true, ..CaseList::default() }).await?;
        let mut meant = found.into_iter().map(|line| line.id).filter(|id| id.as_str().starts_with(&start));
        match (meant.next(), meant.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                Err(Failure::usage(format!("several cases start with {}: say more digits", self.0)))
            }
            (None, _) => Err(Fault::not_found(format!("no case starts with {}", self.0)).into()),
        }
    }
}

/// Every case that is asked for.
pub(super) async fn all(client: &Client, wanted: &CaseList) -> Result<Vec<CaseLine>, Fault> {
    let ask = async |after| {
        let wanted = CaseList { after, ..wanted.clone() };
        let reply = client.call::<call::CaseList>(&wanted).await?.reply;
        Ok((reply.cases, reply.more))
    };
    paging::all(|line: &CaseLine| line.id.clone(), ask).await
}
