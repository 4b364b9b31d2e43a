//! `ops demo`: the whole service in one process and a folder of its own, with Meta and DSK played; DSK breaks for some
//! seconds, and the ids are reconciled at the end.

mod progress;
mod stage;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chassis::{Shutdown, TelemetrySettings, now, start_telemetry};
use clap::Args;
use hyper::StatusCode;
use tokio::time::Instant;

use crate::cli::Failed;
use crate::samples;
use progress::{Counts, Progress};
use stage::Stage;

/// Shows the whole service at work: keys and channels made, signed notifications sent, events delivered and counted.
#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {
    /// Notifications to send.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
    /// Notifications a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// DSK breaks for so long when a third of the notifications is sent; `0s` leaves it well.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    outage: Duration,
    /// Runs on at the end, until Ctrl-C, with a curl line to send a notification of your own.
    #[arg(long)]
    stay: bool,
    /// Keeps queue, channels and keys in this folder; without it they are in a temporary one and removed at the end.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// What to log: as for every process, but nothing unless asked, so that the picture stays whole.
    #[arg(long, default_value = "off")]
    log: String,
}

/// How long the last events may take to arrive after the last notification was sent.
const ARRIVE_TIME: Duration = Duration::from_mins(1);
/// Between two looks at what has arrived.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// What was sent and what was answered.
#[derive(Debug, Default)]
struct Sent {
    notifications: u64,
    accepted: u64,
    /// Ids of every event sent, as Meta's own books would have them.
    ids: BTreeSet<String>,
    accepted_ids: BTreeSet<String>,
}

/// The demonstration under way.
struct Play {
    demo: Demo,
    stage: Stage,
    progress: Progress,
    sent: Sent,
    /// When DSK is well again, while it is broken.
    mends_at: Option<Instant>,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let telemetry = TelemetrySettings { log: self.log.clone(), log_format: chassis::LogFormat::Text };
        start_telemetry(&telemetry).map_err(Failed::wrong)?;
        let temporary = tempfile::Builder::new().prefix("meta-demo-").tempdir()?;
        let folder = self.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
        let shutdown = Shutdown::on_signals()?;
        let stage = Stage::set(&folder, &shutdown).await?;
        println!("Ingest and dispatcher run in this process; Meta and DSK are played.");
        println!("Queue, channels and key ring are files in {}", folder.display());
        println!("Metrics, while this lasts: http://{}/metrics", stage.admin);
        println!();

        let progress = Progress::start(self.count);
        let mut play = Play { demo: self, stage, progress, sent: Sent::default(), mends_at: None };
        play.send().await;
        play.arrive().await;
        play.progress.finish();
        let reconciled = play.reconcile().await;
        play.stay(&folder, &shutdown).await?;
        shutdown.request();
        shutdown.drain(Duration::from_secs(30)).await;
        reconciled
    }
}

impl Play {
    /// Sends every sample at the given rate, as Meta would.
    async fn send(&mut self) {
        let mut due = tokio::time::interval(Duration::from_secs(1) / self.demo.rate);
        for serial in 0..self.demo.count {
            tokio::select! {
                _ = due.tick() => {}
                () = self.stage.shutdown.requested() => break,
            }
            if serial == self.demo.count / 3 && !self.demo.outage.is_zero() {
                self.break_dsk();
            }
            self.post(serial).await;
            self.look().await;
        }
    }

    async fn post(&mut self, serial: u64) {
        let now = now();
        let body = samples::notification(serial, now);
        let ids: Vec<String> = event::split(&body, now).iter().map(|event| event.id.to_string()).collect();
        if serial == self.demo.count / 2 {
            self.stage.dsk.behave(|dsk| dsk.refused_id = ids.first().cloned());
        }
        self.sent.notifications += 1;
        self.sent.ids.extend(ids.iter().cloned());
        match self.stage.meta.post(body).await {
            Ok(StatusCode::OK) => {
                self.sent.accepted += 1;
                self.sent.accepted_ids.extend(ids);
            }
            Ok(status) => self.progress.say(&format!("A notification was answered {status}")),
            Err(error) => self.progress.say(&format!("A notification was not answered: {error}")),
        }
    }

    fn break_dsk(&mut self) {
        self.mends_at = Some(Instant::now() + self.demo.outage);
        self.stage.dsk.behave(|dsk| dsk.answer = Some(503));
        let outage = self.demo.outage;
        self.progress
            .say(&format!("DSK breaks: it answers 503 for {outage:?}. Events wait, a probe at a time asks for it."));
    }

    /// Mends DSK when it is time, and shows what there is.
    async fn look(&mut self) -> Counts {
        if self.mends_at.is_some_and(|at| Instant::now() >= at) {
            self.mends_at = None;
            self.stage.dsk.behave(|dsk| dsk.answer = None);
            self.progress.say("DSK is well again: what waited is delivered, each conversation in its order.");
        }
        let (delivered, failed) = self.stage.dsk.counts();
        let counts = Counts {
            notifications: self.sent.notifications,
            accepted: self.sent.accepted_ids.len(),
            delivered,
            failed,
            parked: if self.progress.is_due() { Some(self.stage.parked().await) } else { None },
            dsk_mends_in: self.mends_at.map(|at| at.saturating_duration_since(Instant::now())),
        };
        self.progress.show(&counts);
        counts
    }

    /// Waits until each accepted event is delivered or parked, or too long.
    async fn arrive(&mut self) {
        let deadline = Instant::now() + ARRIVE_TIME + self.demo.outage;
        while Instant::now() < deadline {
            let counts = self.look().await;
            if counts.delivered + self.stage.parked().await >= self.sent.accepted_ids.len() && self.mends_at.is_none() {
                break;
            }
            if !self.stage.shutdown.pause(LOOK_PERIOD).await {
                break;
            }
        }
        self.look().await;
    }

    /// Says whether every event arrived, once in effect and without any that was never sent.
    async fn reconcile(&self) -> Result<(), Failed> {
        let (sent, delivered, parked) = (&self.sent, self.stage.dsk.ids(), self.stage.parked().await);
        let missing = sent.accepted_ids.difference(&delivered).count();
        let (lost, unknown) = (missing.saturating_sub(parked), delivered.difference(&sent.ids).count());
        let (refused, (_, failed)) = (sent.notifications - sent.accepted, self.stage.dsk.counts());
        println!("DSK failed {failed} requests. One event it refused on purpose: it is parked.");
        println!(
            "sent {} notifications with {} events; accepted {} with {};\ndelivered {}; parked {parked}; lost {lost}",
            sent.notifications,
            sent.ids.len(),
            sent.accepted,
            sent.accepted_ids.len(),
            delivered.len(),
        );
        if lost > 0 || unknown > 0 || refused > 0 {
            return Err(Failed::tried(format!(
                "{lost} accepted events did not arrive, {refused} notifications were not accepted, {unknown} events \
                 came that were never sent; try again with --log debug --keep DIR"
            )));
        }
        Ok(())
    }

    /// Says what to try next, and runs on if asked to.
    async fn stay(&mut self, folder: &std::path::Path, shutdown: &Shutdown) -> Result<(), Failed> {
        if !self.demo.stay || shutdown.is_requested() {
            println!();
            println!(
                "Next: `cargo run --release -- demo --stay` runs on, with a curl line and the page /metrics to try;"
            );
            println!("page /metrics to try. README.md has the same with RabbitMQ and Redis.");
            return Ok(());
        }
        println!();
        println!("It runs on until Ctrl-C. Send a notification of your own, and see it counted:");
        println!("{}", self.stage.curl(folder)?);
        println!(
            "curl -s http://{}/metrics | grep -E '^(ingest_notifications|dispatcher_attempts)_total'",
            self.stage.admin
        );
        shutdown.requested().await;
        Ok(())
    }
}
