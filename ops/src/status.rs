//! `ops status`: queues, dispatchers, pauses and channels on one screen.

pub(crate) mod reading;

use std::time::Duration;

use ::channels::{ChannelStore, ChannelsSettings};
use chassis::Shutdown;
use clap::Args;
use prometheus::Registry;
use queue::{Queue, QueueSettings};
use serde_json::{Value, json};

use crate::dead_letters::count_by_reason;
use crate::failure::Failure;
use crate::logging::CommandLogging;
use crate::open;
use crate::output::{harmless, text_as_is};
use reading::{Owners, Report, owners, partitions};

/// How often `--watch` shows the status.
const WATCH_PERIOD: Duration = Duration::from_secs(2);

/// Shows what waits, which dispatchers deliver it, what is paused, and the channels by state.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// Shows the status again every 2 s, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Also counts the dead letters by reason, which reads all of them.
    #[arg(long)]
    dead_letters: bool,
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    channels: ChannelsSettings,
    #[command(flatten)]
    logging: CommandLogging,
}

impl Status {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.logging.start()?;
        let shutdown = Shutdown::on_signals()?;
        let result = self.show(&shutdown).await;
        open::finish(&shutdown).await;
        result
    }

    async fn show(&self, shutdown: &Shutdown) -> Result<(), Failure> {
        let registry = Registry::new();
        let queue = Queue::open(&self.queue, queue::Metrics::register(&registry)?, shutdown).await?;
        let metrics = ::channels::Metrics::register(&registry)?;
        let store = ChannelStore::open(&self.channels, metrics, shutdown).map_err(Failure::usage)?;
        loop {
            let status = self.read(&queue, &store, shutdown).await?;
            // On a terminal each screen takes the place of the last one.
            let clear = if self.watch && !self.json { "\x1b[2J\x1b[H" } else { "" };
            let text = if self.json { format!("{status}\n") } else { screen(&status) };
            text_as_is(format_args!("{clear}{}", harmless(&text)))?;
            if !self.watch || !shutdown.pause(WATCH_PERIOD).await {
                return Ok(());
            }
        }
    }

    async fn read(&self, queue: &Queue, store: &ChannelStore, shutdown: &Shutdown) -> Result<Value, Failure> {
        let queues = reading::queues(queue).await?;
        let queues = queues
            .iter()
            .map(|queue| json!({ "queue": queue.name.as_str(), "waiting": queue.waiting, "consumers": queue.takers }));
        let mut status = json!({
            "queues": queues.collect::<Vec<_>>(),
            "dispatchers": reading::reports(store).await?,
            "channels": reading::channels_by_state(store).await?,
        });
        if self.dead_letters {
            status["dead_letters"] = json!(count_by_reason(queue, shutdown).await?);
        }
        Ok(status)
    }
}

/// The status as a person reads it.
fn screen(status: &Value) -> String {
    let mut lines = vec![format!("{:<28} {:>10} {:>10}", "queue", "waiting", "consumers")];
    lines.extend(items(&status["queues"]).map(|queue| {
        let consumers = queue["consumers"].as_u64().map_or_else(|| "-".to_owned(), |count| count.to_string());
        format!("{:<28} {:>10} {consumers:>10}", text(&queue["queue"]), text(&queue["waiting"]))
    }));
    lines.push(String::new());
    if items(&status["dispatchers"]).next().is_none() {
        lines.push("no dispatcher has reported in the last 30 seconds".to_owned());
    }
    let owners = owners(&Report::all(items(&status["dispatchers"])));
    items(&status["dispatchers"]).for_each(|dispatcher| lines.extend(dispatcher_lines(dispatcher, &owners)));
    lines.push(String::new());
    lines.push(format!("channels: {}", counts(&status["channels"])));
    if status.get("dead_letters").is_some() {
        lines.push(format!("dead letters: {}", counts(&status["dead_letters"])));
    }
    lines.join("\n") + "\n"
}

fn dispatcher_lines(dispatcher: &Value, owners: &Owners) -> Vec<String> {
    let instance = text(&dispatcher["instance"]);
    let mut lines = vec![format!("dispatcher {instance} since {}", text(&dispatcher["started_at"]))];
    for (class, load) in dispatcher["classes"].as_object().into_iter().flatten() {
        let partitions = partitions(&instance, class, owners);
        let partitions = if partitions.is_empty() { partitions } else { format!(", partitions {partitions}") };
        let in_flight = text(&load["in_flight"]);
        lines.push(format!("  {class:<10} {in_flight:>5} in flight, oldest {} s{partitions}", load["oldest_seconds"]));
    }
    lines.extend(items(&dispatcher["paused"]).map(pause_line));
    lines
}

/// What is paused. A dispatcher of an older release does not say since when.
fn pause_line(pause: &Value) -> String {
    let since = pause["since"].as_str().map_or_else(String::new, |at| format!(", since {at}"));
    format!("  paused: {} ({}{since})", text(&pause["what"]), text(&pause["reason"]))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A string without its quotation marks.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The counts of a JSON object on one line, such as `2 connected, 1 disconnected`.
fn counts(by_name: &Value) -> String {
    let counts = by_name.as_object().into_iter().flatten().map(|(name, count)| format!("{count} {name}"));
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatcher(instance: &str, messages: &[Option<&str>]) -> Value {
        let load = json!({ "in_flight": 3, "oldest_seconds": 0, "received_at": messages });
        json!({ "instance": instance, "started_at": "2026-11-29T08:00:00Z", "classes": { "messages": load } })
    }

    #[test]
    fn a_partition_is_shown_with_the_dispatcher_that_last_received_something_from_it() {
        let early = Some("2026-11-29T09:00:00Z");
        let late = Some("2026-11-29T09:00:00.5Z");
        let dispatchers = [
            dispatcher("a", &[late, late, late, early, None, late]),
            dispatcher("b", &[early, None, None, late, None, early]),
            dispatcher("c", &[]),
        ];
        let status = json!({ "dispatchers": dispatchers });

        let screen = screen(&status);

        let lines: Vec<&str> = screen.lines().filter(|line| line.contains("in flight")).collect();
        assert_eq!(
            lines,
            [
                "  messages       3 in flight, oldest 0 s, partitions 0-2, 5",
                "  messages       3 in flight, oldest 0 s, partitions 3",
                "  messages       3 in flight, oldest 0 s",
            ]
        );
    }
}
