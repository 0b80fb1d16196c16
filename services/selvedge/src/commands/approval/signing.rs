//! The identity key of whoever approves or offers something.

use anyhow::Context as _;
use selvedge_contracts::{fault::Fault, id::AgentId};
use selvedge_kit::{
    authority::Credential,
    signature::{Signer, encode_base64url},
};

use crate::{agent_folder::AgentFolder, commands::lease::Asking, connect::Context, exit::Failure};

/// Who asks, as an agent: only such a one approves or offers something.
pub(in crate::commands) fn approver(asking: &Asking) -> Result<AgentId, Failure> {
    let id = AgentId::new(asking.me.as_str());
    Ok(id.map_err(|_| Fault::denied(format!("{} is no agent and cannot sign", asking.me)))?)
}

/// The signature of whoever asks over a text, in unpadded base64url.
///
/// # Errors
/// Its identity key is not here.
pub(in crate::commands) fn signature(
    context: &Context,
    asking: &Asking,
    text: &str,
) -> Result<String, Failure> {
    let all = AgentFolder::all(&context.home, &context.kluster)?;
    if let Some(agent) = all.iter().find(|folder| folder.record.id.as_str() == asking.me.as_str()) {
        return Ok(agent.identity()?.prove(text)?);
    }
    // The operator's identity key is its credential's own.
    let credential = Credential::read(&context.home.operator_creds(&context.kluster))?;
    let account = credential.claims()?.account().to_owned();
    let signed = Signer::new(credential.key()?, account, None).sign_text(text);
    Ok(encode_base64url(&signed.context("cannot sign")?))
}
