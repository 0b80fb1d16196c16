//! `selvedge handoff offer`.

use std::path::PathBuf;

use clap::Args;
use selvedge_contracts::{
    call,
    fault::Fault,
    payload::handoff::{HandoffOffer, Offer as Offered, offer_text},
};
use selvedge_kit::clock::now_ms;
use serde_json::Value;

use super::show::human;
use crate::{
    commands::{
        approval::{signature, signing_agent},
        lease::Who,
    },
    connect::Context,
    exit::Done,
    input::{self, milliseconds},
};

/// Offer work to another agent: signed with your identity key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge handoff offer review.yaml --deadline 2h --as ada
  selvedge handoff offer - --as ada -o json <offer.json

The file says (YAML or JSON):
  title: review the parser
  to: {kind: agent, agent: bob-1a2b3c4d}        # or {kind: role, role: worker, queue: rust}
  input_contract: {name: review.request, version: 1}
  input: {commit: 0a1b2c3d}
  output_contract: {name: review.verdict, version: 1}
  capabilities: [rust]
and, where wanted, description, task, artifacts, preconditions, deadline_at_ms, occurrence. The same offer again is
the same handoff. What does not fit is refused with every reason (4).")]
pub(crate) struct Offer {
    /// File with the offer, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How long its receiver has, from now on; in place of the file's deadline_at_ms.
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    deadline: Option<u64>,
    #[command(flatten)]
    who: Who,
}

impl Offer {
    pub(super) async fn run(self, context: &Context) -> Done {
        let deadline_at_ms = self.deadline.map(|after_ms| now_ms().saturating_add(after_ms));
        let name = self.file.display().to_string();
        let offer = read(&input::text(&self.file)?, deadline_at_ms)
            .map_err(|error| Fault::invalid(format!("{name} is no offer: {error}")))?;
        let asking = self.who.agent(context).await?;
        let text = offer_text(&asking.mission, &signing_agent(&asking)?, &offer);
        let signature = signature(context, &asking, &text)?;
        let offer = HandoffOffer { offer, signature };
        let reply = asking.client.call::<call::HandoffOffer>(&offer).await?.reply;
        Ok(context.output.print(&reply, human)?)
    }
}

/// The offer in a text; what is no JSON is read as YAML.
fn read(text: &str, deadline_at_ms: Option<u64>) -> Result<Offered, String> {
    let mut value: Value = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| error.to_string())?,
        false => serde_saphyr::from_str(text).map_err(|error| error.to_string())?,
    };
    let fields = value.as_object_mut().ok_or("expected an object with title, to, input and so on")?;
    if let Some(at_ms) = deadline_at_ms {
        fields.insert("deadline_at_ms".to_owned(), at_ms.into());
    }
    if !fields.contains_key("deadline_at_ms") {
        return Err("it names no deadline_at_ms; say --deadline".to_owned());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_yaml_or_json_and_has_a_deadline() {
        let yaml = "title: t\nto: {kind: role, role: worker}\ninput_contract: {name: a, version: 1}\ninput: {n: 1, text: \"yes\"}\noutput_contract: {name: b, version: 1}\n";
        let offer = read(yaml, Some(7)).unwrap();
        assert_eq!((offer.deadline_at_ms, &offer.input["n"]), (7, &Value::from(1)));
        let json = serde_json::to_string(&offer).unwrap();
        assert_eq!(read(&json, None).unwrap(), offer);
        assert!(read(yaml, None).unwrap_err().contains("--deadline"));
        assert!(read("- a\n", None).unwrap_err().contains("object"));
        assert!(read(&format!("{yaml}team: x\n"), Some(7)).unwrap_err().contains("team"));
    }
}
