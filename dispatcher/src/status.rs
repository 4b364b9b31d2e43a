//! What a dispatcher says of itself, for `ops status`: in the channel store, for as long as it goes on saying it.

use std::sync::Arc;
use std::time::Duration;

use chassis::{host, now};
use event::Class;
use serde_json::{Value, json};
use tracing::debug;

use crate::app::App;
use crate::pauses::Scope;

/// How often; the store forgets what was not said again for 30 s.
const PERIOD: Duration = Duration::from_secs(5);

/// What one worker has in hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InHand {
    pub(crate) envelopes: usize,
    /// Age of the oldest that waits, counted from its entry into the queue.
    pub(crate) oldest: Duration,
}

/// Reports until the process stops, and then takes the report back.
pub(crate) async fn report(app: Arc<App>) {
    let instance = instance();
    let started_at = now().to_string();
    loop {
        let shown = status(&app, &instance, &started_at).to_string();
        if let Err(error) = app.store.report(&instance, Some(&shown)).await {
            debug!(%error, "Could not report to the channel store: {error}");
        }
        if !app.shutdown.pause(PERIOD).await {
            app.store.report(&instance, None).await.ok();
            return;
        }
    }
}

fn status(app: &App, instance: &str, started_at: &str) -> Value {
    let paused: Vec<Value> = app.pauses().scopes().map(paused).collect();
    let in_hand = Class::ALL.map(|class| {
        let InHand { envelopes, oldest } = app.in_hand(class);
        (class.as_str().to_owned(), json!({ "in_hand": envelopes, "oldest_seconds": oldest.as_secs() }))
    });
    json!({
        "instance": instance,
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": started_at,
        "classes": Value::Object(in_hand.into_iter().collect()),
        "paused": paused,
    })
}

/// A URL's query may hold a secret.
fn paused(scope: &Scope) -> Value {
    let path = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
    let what = match scope {
        Scope::Origin(origin) => origin.to_string(),
        Scope::Destination(party) => format!("{} at {}", party.tenant, path(&party.url)),
        Scope::Channel(address) => address.to_string(),
    };
    json!({ "reason": scope.reason(), "what": what })
}

/// The host's name and our process id: what an operator finds in a list of processes.
fn instance() -> String {
    let host = host();
    format!("{}-{}", if host.is_empty() { "dispatcher" } else { &host }, std::process::id())
}
