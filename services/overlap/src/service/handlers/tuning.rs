//! What counts as alike, how large the index is, and making it anew.

use std::{collections::BTreeMap, sync::Arc};

use selvedge_contracts::{
    call,
    fact::{EntityName, TUNING_REINDEXED, TUNING_SET},
    fault::Fault,
    id::Mission,
    payload::{
        Nothing,
        overlap::{
            Calibrate, Calibration, CalibrationPoint, CreationState, Reindex, ReindexReply, Stats,
            Thresholds, Tune, Tuning, TuningReply,
        },
    },
    subject::Entity,
};
use selvedge_kit::{
    rule::Change,
    service::{Answer, Call, Route, Routes},
    view::View,
};

use super::mission;
use crate::{
    Decision, Goals, Readable, calibrate as curve_of,
    service::{book::Book, shown, state::Overlap},
};

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Overlap> {
    vec![
        Route::wait::<call::OverlapStats, _>(stats),
        Route::wait::<call::OverlapCalibrate, _>(calibrate),
        Route::wait::<call::OverlapTune, _>(tune),
        Route::wait::<call::OverlapReindex, _>(reindex),
    ]
}

async fn stats(state: Arc<Overlap>, call: Arc<Call>, _: Nothing) -> Answer<Stats> {
    let (mission, instance, snapshot) =
        (call.mission().to_string(), state.instance.clone(), state.last_snapshot());
    let (readable, refused_snapshots) = (state.readable(&call), state.refused_snapshots.clone());
    let reindex = state.is_reindexing().then(|| state.reindexing());
    state
        .compute(move |replica| {
            replica.read(|held| {
                let whole = readable == Readable::All;
                // To measure everything takes long: it is done for those alone who are told.
                let size = if whole { held.index.stats() } else { Default::default() };
                let states = states(&held.book, &readable);
                let alive = states.iter().filter(|(state, _)| state.is_alive()).map(|(_, count)| count);
                let (sequence, index_hash, model_hash) = held.index.basis();
                Stats {
                    instance,
                    basis: shown::basis(sequence, &index_hash, &model_hash),
                    whole,
                    items: alive.sum(),
                    states,
                    watched: size.watched as u64,
                    tail: size.tail as u64,
                    cells: size.cells as u64,
                    text_bytes: size.text_bytes as u64,
                    index_bytes: size.index_bytes as u64,
                    snapshot,
                    refused_snapshots,
                    tuning: held.book.tuning(&mission),
                    reindex,
                }
            })
        })
        .await
}

/// How many creations stand where, in the missions that may be read.
fn states(book: &Book, readable: &Readable) -> BTreeMap<CreationState, u64> {
    let Readable::Scopes(missions) = readable else { return book.counts().clone() };
    let mut states = BTreeMap::new();
    for (state, count) in
        missions.iter().filter_map(|name| book.names.find(name)).flat_map(|at| book.counts_of(at))
    {
        *states.entry(state).or_default() += count;
    }
    states
}

async fn calibrate(state: Arc<Overlap>, call: Arc<Call>, request: Calibrate) -> Answer<Calibration> {
    let mission = mission(&call)?.to_string();
    let goals = Goals::default();
    let goals = Goals {
        strong: request.strong.unwrap_or(goals.strong),
        likely: request.likely.unwrap_or(goals.likely),
        similar: request.similar.unwrap_or(goals.similar),
    };
    state
        .compute(move |replica| {
            let (decisions, tuning) = replica.read(|held| {
                let number = held.book.names.find(&mission);
                let own = held.book.decisions.iter().filter(|(mission, _)| Some(*mission) == number);
                let decisions: Vec<Decision> = own.map(|(_, decision)| *decision).collect();
                (decisions, held.book.tuning(&mission))
            });
            calibration(&decisions, goals, tuning)
        })
        .await
}

fn calibration(decisions: &[Decision], goals: Goals, tuning: Tuning) -> Calibration {
    let found = curve_of(decisions, goals);
    let point = |point: &crate::Point| CalibrationPoint {
        threshold: point.threshold,
        caught: point.caught,
        alerts: point.alerts,
        precision: point.precision,
    };
    Calibration {
        decisions: decisions.len() as u64,
        merged: decisions.iter().filter(|decision| decision.merged).count() as u64,
        curve: found.curve.iter().map(point).collect(),
        tuning,
        proposed: found.proposed.map(|thresholds| Thresholds {
            strong: thresholds.strong,
            likely: thresholds.likely,
            similar: thresholds.similar,
        }),
    }
}

fn entity(mission: &Mission) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Tuning, id: Tuning::entity_id() }
}

async fn tune(state: Arc<Overlap>, call: Arc<Call>, request: Tune) -> Answer<TuningReply> {
    let mission = mission(&call)?;
    if let Some(Thresholds { strong, likely, similar }) = request.thresholds
        && !(strong >= likely && likely >= similar)
    {
        let message = format!(
            "strong {strong}, likely {likely}, similar {similar}: expected the first to be the highest"
        );
        return Err(Fault::invalid("the thresholds are out of order").at("/thresholds", message));
    }
    let (view, entity) = (Arc::<View<Tuning>>::default(), entity(mission));
    call.writer.read_anew(&view, &entity).await?;
    let recorded = call.writer.record(&view, &entity, |current| {
        let before = current.cloned().unwrap_or_default();
        let tuning = Tuning {
            thresholds: request.thresholds.unwrap_or(before.thresholds),
            alert: request.alert.unwrap_or(before.alert),
            generation: before.generation,
            by: Some(call.subject.caller.clone()),
            at_ms: call.now_ms,
        };
        let is_same = (tuning.thresholds, tuning.alert) == (before.thresholds, before.alert);
        match current {
            Some(_) if is_same => Ok(selvedge_kit::rule::Verdict::Same),
            _ => Ok(Change::new(&TUNING_SET, &Nothing {}, tuning).into()),
        }
    });
    let recorded = recorded.await?;
    // Whoever set it finds it in force.
    state.order.reaches(recorded.revision, call.deadline()).await;
    Ok(TuningReply { tuning: recorded.state.as_ref().clone(), revision: recorded.revision })
}

async fn reindex(state: Arc<Overlap>, call: Arc<Call>, request: Reindex) -> Answer<ReindexReply> {
    if !request.look {
        let (view, entity) = (Arc::<View<Tuning>>::default(), entity(&Mission::kluster()));
        call.writer.read_anew(&view, &entity).await?;
        let recorded = call.writer.record(&view, &entity, |current| {
            let before = current.cloned().unwrap_or_default();
            let tuning = Tuning {
                generation: before.generation.saturating_add(1),
                by: Some(call.subject.caller.clone()),
                at_ms: call.now_ms,
                ..before
            };
            Ok(Change::new(&TUNING_REINDEXED, &Nothing {}, tuning).into())
        });
        let revision = recorded.await?.revision;
        state.order.reaches(revision, call.deadline()).await;
    }
    Ok(state.reindexing())
}
