//! HTTP requests, each sent with `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header).
//!
//! No redirect is followed and no proxy used: what was approved is what is asked, at an address in reach. A request is sent once by
//! each attempt, and an attempt at what must not be repeated is made only where nobody can have sent it
//! before, or where its probe says that it was not done.

use selvedge_contracts::{
    id::{Digest, MediaType},
    payload::intent::{DEFAULT_EFFECT_MS, HttpEffect, Method, Receipt, Repeat},
};
use selvedge_kit::{bus::error_chain, client::Client, transfer};
use tracing::warn;

use super::{
    Outcome, Work,
    world::{self, Lost, Seen},
};
use crate::network;
use answer::{Judged, judge};
use redact::Redaction;
use request::Prepared;

mod answer;
mod redact;
mod request;

/// Largest body of a request and of a response that is kept, in bytes.
const MAX_BODY_BYTES: usize = 8 << 20;

pub(crate) async fn carry_out(work: &Work<'_>, effect: &HttpEffect) -> Outcome {
    match act(work, effect).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn act(work: &Work<'_>, effect: &HttpEffect) -> Result<Outcome, Outcome> {
    let prepared = request::prepare(work, effect).await;
    let prepared = prepared.map_err(|outcome| world::unmade(outcome, work.earlier))?;
    work.reached("http:ready");
    let repeat = repeat(effect);
    if world::must_look(repeat, work.earlier) {
        let seen = probe(work, effect, &prepared).await;
        work.reached("http:probed");
        if let Some(outcome) = world::before(seen) {
            return Ok(outcome);
        }
    }
    let client = client(work)?;
    let request =
        prepared.request(client).map_err(|error| Outcome::refused("/effect", error_chain(&error)))?;
    work.may_act().await?;
    work.reached("http:asked");
    let deadline = work.deadline.at_most_ms(effect.timeout_ms.unwrap_or(DEFAULT_EFFECT_MS));
    let answer = request.timeout(deadline.remaining()).send().await;
    work.reached("http:answered");
    let judged = match &answer {
        Ok(response) => {
            let location = location(response).map(|to| prepared.redaction.text(to));
            judge(response.status().as_u16(), location.as_deref())
        }
        Err(error) if error.is_connect() => match network::unreached(error) {
            Some(unreached) => Judged::Unsent(unreached.to_string()),
            None => Judged::Later(error_chain(error)),
        },
        Err(error) if error.is_builder() => Judged::Refused(error_chain(error)),
        Err(error) => Judged::Lost(Lost::Silent(error_chain(error))),
    };
    match (judged, answer) {
        (Judged::Done, Ok(response)) => Ok(done(work, repeat, &prepared.redaction, response).await),
        (Judged::Unsent(why), _) => Ok(world::unmade(Outcome::refused("/url", why), work.earlier)),
        (Judged::Refused(why), Ok(_)) if changes(effect) && !world::is_last_word(repeat, work.earlier) => {
            // What an earlier attempt sent may also still be on its way.
            Ok(world::after(Lost::Silent(why), probe(work, effect, &prepared).await))
        }
        (Judged::Refused(why), _) => Ok(Outcome::refused("", why)),
        (Judged::Later(why), _) => Ok(Outcome::Later(why)),
        (Judged::Lost(lost), _) if repeat == Repeat::Unsafe => {
            Ok(world::after(lost, probe(work, effect, &prepared).await))
        }
        (Judged::Lost(Lost::Failed(why) | Lost::Silent(why)), _) => Ok(Outcome::Again(why)),
        (Judged::Done, Err(error)) => Ok(Outcome::Again(error_chain(&error))), // never: only answers are done
    }
}

fn client<'a>(work: &'a Work<'_>) -> Result<&'a reqwest::Client, Outcome> {
    work.state.http.as_ref().map_err(|why| Outcome::Later(why.clone()))
}

/// What the target does with a request that comes twice: `GET` and `HEAD` change nothing, whatever is said
/// of them (RFC 9110, 9.2.1).
fn repeat(effect: &HttpEffect) -> Repeat {
    if changes(effect) { effect.repeat } else { Repeat::Idempotent }
}

fn changes(effect: &HttpEffect) -> bool {
    !matches!(effect.method, Method::Get | Method::Head)
}

fn location(response: &reqwest::Response) -> Option<&str> {
    response.headers().get(reqwest::header::LOCATION)?.to_str().ok()
}

/// Keeps the response and makes the receipt.
async fn done(
    work: &Work<'_>,
    repeat: Repeat,
    redaction: &Redaction,
    response: reqwest::Response,
) -> Outcome {
    let status = Some(response.status().as_u16());
    let named = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = named.and_then(|named| MediaType::new(&redaction.text(named)).ok());
    let is_packed = response.headers().contains_key(reqwest::header::CONTENT_ENCODING);
    let stored = match answer::body(response, MAX_BODY_BYTES).await {
        Ok(body) if body.is_empty() => Ok(None),
        Ok(_) if is_packed && !redaction.is_empty() => {
            warn!(intent = %work.intent.id, "the response is packed, though nobody asked for that, and may tell a secret: not kept");
            Ok(None)
        }
        Ok(body) => store(work, redaction.bytes(body)).await,
        Err(answer::NoBody::TooLarge) => {
            warn!(intent = %work.intent.id, most = MAX_BODY_BYTES, "the response is too large, not kept");
            Ok(None)
        }
        Err(answer::NoBody::Lost(why)) => Err(why),
    };
    work.reached("http:stored");
    match stored {
        Ok(response) => {
            let content_type = content_type.filter(|_| response.is_some());
            Outcome::Done(Receipt::Http { status, response, content_type })
        }
        // It happened, and that alone must be on record; only what may be repeated is asked for its words again.
        Err(why) if repeat == Repeat::Unsafe => {
            warn!(intent = %work.intent.id, why, "the response could not be kept");
            Outcome::Done(Receipt::Http { status, response: None, content_type: None })
        }
        Err(why) => Outcome::Again(why),
    }
}

async fn store(work: &Work<'_>, body: Vec<u8>) -> Result<Option<Digest>, String> {
    let client: Client = work.state.client.clone().in_mission(work.intent.mission.clone());
    let put =
        tokio::time::timeout(work.deadline.remaining(), transfer::put_bytes(&client, body.into())).await;
    let stored = put.map_err(|_| "the response could not be stored in time".to_owned())?;
    stored.map(|stored| Some(stored.digest)).map_err(|error| error_chain(&error))
}

/// Asks whether it was done.
async fn probe(work: &Work<'_>, effect: &HttpEffect, prepared: &Prepared) -> Seen {
    let Some(probe) = &effect.probe else {
        return Seen::Unclear("no probe is declared".to_owned());
    };
    let in_reach =
        prepared.probe(&probe.url).and_then(|headers| request::reached(work, &probe.url).map(|_| headers));
    let asked = match (client(work), in_reach) {
        (Ok(client), Ok(headers)) => client.get(&probe.url).headers(headers),
        (Err(_), _) => return Seen::Unreachable("there is no HTTP client".to_owned()),
        (_, Err(why)) => return Seen::Unclear(why),
    };
    let deadline = work.deadline.at_most_ms(effect.timeout_ms.unwrap_or(DEFAULT_EFFECT_MS));
    match asked.timeout(deadline.remaining()).send().await {
        Ok(answer) => answer::probed(answer.status().as_u16(), probe),
        Err(error) => Seen::Unreachable(error_chain(&error)),
    }
}
