//! Reports what a dispatcher has in flight and what is paused to the channel store, where `ops status` reads it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use channels::ChannelStore;
use chassis::{Shutdown, host, now};
use event::Class;
use queue::Receipts;
use serde_json::{Value, json};
use tracing::debug;

use crate::pauses::Scope;
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
        let report = status(&state, &receipts, &instance, &started_at).to_string();
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
    let paused: Vec<Value> = state.paused().iter().map(pause).collect();
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
        "paused": paused,
    })
}

/// Leaves out a URL's query, which may hold a secret.
fn pause(scope: &Scope) -> Value {
    let path = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
    let what = match scope {
        Scope::Origin(origin) => origin.to_string(),
        Scope::Destination(destination) => format!("{} at {}", destination.tenant, path(&destination.url)),
        Scope::Channel(address) => address.to_string(),
    };
    json!({ "reason": scope.reason().as_str(), "what": what })
}

/// The host's name and our process id, by which an operator finds the process.
pub(crate) fn instance() -> String {
    let host = host();
    format!("{}-{}", if host.is_empty() { "dispatcher" } else { &host }, std::process::id())
}
