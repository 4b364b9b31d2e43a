//! Reports what a dispatcher has in flight and what is paused to the channel store, where `ops status` reads it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use channels::ChannelStore;
use chassis::{Shutdown, host, now};
use event::Class;
use jiff::{Timestamp, Unit};
use queue::Receipts;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::debug;

use crate::answers::DestinationAnswers;
use crate::destination::Destination;
use crate::pauses::{Paused, Scope};
use crate::state::State;

/// How often a dispatcher reports. The store forgets a report after 30 s.
const PERIOD: Duration = Duration::from_secs(5);

/// Reports until the process stops, and then withdraws the report.
pub(crate) async fn report(
    state: Arc<State>,
    receipts: BTreeMap<&'static str, Receipts>,
    store: ChannelStore,
    shutdown: Shutdown,
) {
    let instance = instance();
    let started_at = now().to_string();
    loop {
        let mut report = status(&state, &receipts, &instance, &started_at);
        note_pauses_and_answers(&mut report, &state);
        let report = report.to_string();
        if let Err(error) = store.report(&instance, Some(&report)).await {
            debug!("Could not report to the channel store: {error}");
        }
        // While the store does not say, the last number stands.
        if let Ok(dispatchers) = store.living_dispatchers().await {
            let dispatchers = u32::try_from(dispatchers).unwrap_or(u32::MAX);
            state.set_dispatchers(NonZeroU32::new(dispatchers).unwrap_or(NonZeroU32::MIN));
        }
        if !shutdown.pause(PERIOD).await {
            store.report(&instance, None).await.ok();
            return;
        }
    }
}

fn status(state: &State, receipts: &BTreeMap<&'static str, Receipts>, instance: &str, started_at: &str) -> Value {
    let classes = Class::ALL.map(|class| {
        let load = state.load(class);
        let mut load = json!({ "in_flight": load.envelopes, "oldest_seconds": load.oldest.as_secs() });
        let received = receipts.get(class.as_str()).map(Receipts::last).unwrap_or_default();
        // An embedded queue has no partitions.
        if received.len() > 1 {
            load["received_at"] = json!(received.iter().map(|at| at.map(|at| at.to_string())).collect::<Vec<_>>());
        }
        (class.as_str().to_owned(), load)
    });
    json!({
        "instance": instance,
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": started_at,
        "classes": Value::Object(classes.into_iter().collect()),
    })
}

/// Adds what is paused, and how the attempts of the last minutes ended.
fn note_pauses_and_answers(report: &mut Value, state: &State) {
    let instant = Instant::now();
    let now = now();
    report["paused"] = state.paused(instant).iter().map(|paused| pause(paused, now)).collect();
    report["answers"] = state.answers(instant).iter().map(answers).collect();
}

fn pause(paused: &Paused, now: Timestamp) -> Value {
    let what = match &paused.scope {
        Scope::Origin(origin) => origin.to_string(),
        Scope::Destination(destination) => shown(destination),
        Scope::Channel(address) => address.to_string(),
    };
    let mut pause = json!({
        "reason": paused.scope.reason().as_str(),
        "what": what,
        "since": seconds(now - paused.lasts),
    });
    if let Some(probed_in) = paused.probed_in {
        pause["next_probe_at"] = json!(seconds(now + probed_in));
    }
    pause
}

fn answers(answers: &DestinationAnswers) -> Value {
    let what = answers.destination.as_ref().map_or_else(|| "all others".to_owned(), shown);
    let counts = answers.counts.iter().map(|(answer, count)| (answer.to_string(), json!(count)));
    json!({ "what": what, "counts": Value::Object(counts.collect()) })
}

/// Leaves out a URL's query, which may hold a secret.
fn shown(destination: &Destination) -> String {
    let path = destination.url.split(['?', '#']).next().unwrap_or_default();
    format!("{} at {path}", destination.tenant)
}

/// A time without its fractions of a second: it is computed anew for each report, and would never be quite the same.
fn seconds(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

/// The host's name and our process id, by which an operator finds the process.
pub(crate) fn instance() -> String {
    let host = host();
    format!("{}-{}", if host.is_empty() { "dispatcher" } else { &host }, std::process::id())
}
