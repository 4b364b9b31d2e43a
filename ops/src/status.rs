//! `ops status`: queues, dispatchers, what is paused and channels on one screen.

use std::collections::BTreeMap;
use std::time::Duration;

use ::channels::{ChannelStore, ChannelsSettings};
use chassis::{Shutdown, TelemetrySettings, start_telemetry};
use clap::Args;
use prometheus::Registry;
use queue::{Place, Queue, QueueSettings};
use serde_json::{Value, json};

use crate::cli::Failed;
use crate::dead_letters::count_by_reason;

/// Between two looks with `--watch`.
const WATCH_PERIOD: Duration = Duration::from_secs(2);

/// Shows what waits, who delivers it, what is paused, and the channels by state.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// As one JSON object.
    #[arg(long)]
    json: bool,
    /// Shows it anew every 2 s, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Counts the dead letters by reason too, which reads all of them.
    #[arg(long)]
    dead_letters: bool,
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    channels: ChannelsSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Status {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        start_telemetry(&self.telemetry).map_err(Failed::wrong)?;
        let shutdown = Shutdown::on_signals()?;
        let registry = Registry::new();
        let queue = Queue::open(&self.queue, queue::Metrics::register(&registry)?, &shutdown).await?;
        let metrics = ::channels::Metrics::register(&registry)?;
        let store = ChannelStore::open(&self.channels, metrics, &shutdown).map_err(Failed::wrong)?;
        loop {
            let seen = self.look(&queue, &store).await?;
            let shown = if self.json { format!("{seen}\n") } else { screen(&seen) };
            // A terminal shows each look in place of the last one.
            let clear = if self.watch && !self.json { "\x1b[2J\x1b[H" } else { "" };
            print!("{clear}{shown}");
            if !self.watch || !shutdown.pause(WATCH_PERIOD).await {
                shutdown.request();
                return Ok(());
            }
        }
    }

    async fn look(&self, queue: &Queue, store: &ChannelStore) -> Result<Value, Failed> {
        let takers: BTreeMap<_, _> = queue.takers().await?.into_iter().collect();
        let queues = queue.depths().await?.into_iter().map(|(place, waiting)| {
            let takers = if let Place::Class(class) = place { takers.get(&class).copied() } else { None };
            json!({ "queue": place.queue(), "waiting": waiting, "consumers": takers })
        });
        let mut seen = json!({
            "queues": queues.collect::<Vec<_>>(),
            "dispatchers": store.reports().await?.iter().filter_map(|report| serde_json::from_str(report).ok()).collect::<Vec<Value>>(),
            "channels": states(store).await?,
        });
        if self.dead_letters {
            seen["dead_letters"] = json!(count_by_reason(queue).await?);
        }
        Ok(seen)
    }
}

async fn states(store: &ChannelStore) -> Result<BTreeMap<&'static str, usize>, Failed> {
    let mut states = BTreeMap::new();
    for record in store.list().await? {
        *states.entry(record.state.as_str()).or_default() += 1;
    }
    Ok(states)
}

/// The same for eyes.
fn screen(seen: &Value) -> String {
    let list = |name: &str| seen[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![format!("{:<28} {:>10} {:>10}", "queue", "waiting", "consumers")];
    lines.extend(list("queues").iter().map(|queue| {
        let consumers = queue["consumers"].as_u64().map_or_else(|| "-".to_owned(), |count| count.to_string());
        format!("{:<28} {:>10} {consumers:>10}", text(&queue["queue"]), text(&queue["waiting"]))
    }));
    lines.push(String::new());
    let dispatchers = list("dispatchers");
    if dispatchers.is_empty() {
        lines.push("no dispatcher has reported in the last 30 seconds".to_owned());
    }
    for dispatcher in &dispatchers {
        lines.push(format!("dispatcher {} since {}", text(&dispatcher["instance"]), text(&dispatcher["started_at"])));
        for (class, load) in dispatcher["classes"].as_object().into_iter().flatten() {
            lines
                .push(format!("  {class:<10} {:>5} in flight, oldest {} s", load["in_flight"], load["oldest_seconds"]));
        }
        let paused = dispatcher["paused"].as_array().into_iter().flatten();
        lines.extend(paused.map(|pause| format!("  paused: {} ({})", text(&pause["what"]), text(&pause["reason"]))));
    }
    lines.push(String::new());
    lines.push(format!("channels: {}", counts(&seen["channels"])));
    if seen.get("dead_letters").is_some() {
        lines.push(format!("dead letters: {}", counts(&seen["dead_letters"])));
    }
    lines.join("\n") + "\n"
}

fn counts(named: &Value) -> String {
    let counts: Vec<String> =
        named.as_object().into_iter().flatten().map(|(name, count)| format!("{count} {name}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}
