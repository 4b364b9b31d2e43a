//! The demonstration itself: sends the notifications, breaks and repairs DSK, and compares what arrived with what was
//! sent.

use std::collections::BTreeSet;
use std::time::Duration;

use chassis::{Shutdown, now};
use clap::Args;
use hyper::StatusCode;
use tokio::time::Instant;

use super::progress::{Counts, Progress};
use super::stage::Stage;
use crate::dsk::DskCounts;
use crate::failure::Failure;
use crate::output::{counted, outln};
use crate::samples;

/// What is sent, and how DSK behaves meanwhile.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Script {
    /// Notifications to send.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
    /// Notifications a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long DSK fails, once a third of the notifications is sent; with `0s` it never fails.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    outage: Duration,
}

/// How long the last events may take to arrive after the last notification was sent.
const ARRIVAL_TIME: Duration = Duration::from_mins(1);
/// How often to look at what has arrived.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// What was sent, and what ingest accepted of it.
#[derive(Debug, Default)]
struct Tally {
    notifications: u64,
    accepted: u64,
    /// Ids of every event that was sent, as Meta's own books would have them.
    ids: BTreeSet<String>,
    accepted_ids: BTreeSet<String>,
}

/// A demonstration under way.
pub(super) struct Performance<'a> {
    stage: &'a Stage,
    script: Script,
    shutdown: &'a Shutdown,
    progress: Progress,
    tally: Tally,
    /// When DSK works again, while it fails.
    repair_at: Option<Instant>,
}

impl<'a> Performance<'a> {
    pub(super) fn new(stage: &'a Stage, script: Script, shutdown: &'a Shutdown) -> Self {
        let progress = Progress::start(script.count);
        Self { stage, script, shutdown, progress, tally: Tally::default(), repair_at: None }
    }

    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        self.send_all().await?;
        self.await_arrival().await?;
        self.progress.finish()
    }

    /// Sends every sample at the given rate, as Meta would.
    async fn send_all(&mut self) -> Result<(), Failure> {
        let mut due = tokio::time::interval(Duration::from_secs(1) / self.script.rate);
        for serial in 0..self.script.count {
            tokio::select! {
                _ = due.tick() => {}
                () = self.shutdown.requested() => break,
            }
            if serial == self.script.count / 3 && !self.script.outage.is_zero() {
                self.break_dsk()?;
            }
            self.send(serial).await?;
            self.look().await?;
        }
        Ok(())
    }

    async fn send(&mut self, serial: u64) -> Result<(), Failure> {
        let now = now();
        let body = samples::notification(serial, now);
        let ids: Vec<String> = event::split(&body, now).iter().map(|event| event.id.to_string()).collect();
        if serial == self.script.count / 2 {
            self.stage.dsk.behave(|dsk| dsk.refused_id = ids.first().cloned());
        }
        self.tally.notifications += 1;
        self.tally.ids.extend(ids.iter().cloned());
        match self.stage.meta.post(body).await {
            Ok(StatusCode::OK) => {
                self.tally.accepted += 1;
                self.tally.accepted_ids.extend(ids);
                Ok(())
            }
            Ok(status) => self.progress.remark(&format!("A notification was answered {status}")),
            Err(error) => self.progress.remark(&format!("A notification was not answered: {error}")),
        }
    }

    fn break_dsk(&mut self) -> Result<(), Failure> {
        let outage = self.script.outage;
        self.repair_at = Some(Instant::now() + outage);
        self.stage.dsk.behave(|dsk| dsk.answer = Some(503));
        self.progress
            .remark(&format!("DSK fails: it answers 503 for {outage:?}. Events wait, and one probe at a time asks."))
    }

    /// Repairs DSK when it is time, and shows the counts.
    async fn look(&mut self) -> Result<Counts, Failure> {
        if self.repair_at.is_some_and(|at| Instant::now() >= at) {
            self.repair_at = None;
            self.stage.dsk.behave(|dsk| dsk.answer = None);
            self.progress.remark("DSK works again: what waited is delivered, each conversation in its order.")?;
        }
        let DskCounts { delivered, failed, .. } = self.stage.dsk.counts();
        let counts = Counts {
            notifications: self.tally.notifications,
            accepted: self.tally.accepted_ids.len(),
            delivered,
            failed,
            parked: if self.progress.is_due() { Some(self.stage.parked().await) } else { None },
            outage_left: self.repair_at.map(|at| at.saturating_duration_since(Instant::now())),
        };
        self.progress.show(&counts)?;
        Ok(counts)
    }

    /// Waits until each accepted event is delivered or parked, for a limited time.
    async fn await_arrival(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + ARRIVAL_TIME + self.script.outage;
        while Instant::now() < deadline {
            let counts = self.look().await?;
            let arrived = counts.delivered + self.stage.parked().await;
            if arrived >= self.tally.accepted_ids.len() && self.repair_at.is_none() {
                break;
            }
            if !self.shutdown.pause(LOOK_PERIOD).await {
                break;
            }
        }
        self.look().await.map(drop)
    }

    /// Reports whether every event arrived, once in effect, and none that was never sent.
    pub(super) async fn reconcile(&self) -> Result<(), Failure> {
        let Tally { notifications, accepted, ids, accepted_ids } = &self.tally;
        let delivered = self.stage.dsk.ids();
        let parked = self.stage.parked().await;
        let lost = accepted_ids.difference(&delivered).count().saturating_sub(parked);
        let unknown = delivered.difference(ids).count();
        let refused = notifications - accepted;
        let failed = counted(self.stage.dsk.counts().failed, "request");
        outln!("DSK failed {failed}. It refused one event on purpose, which is parked.")?;
        outln!(
            "sent {} with {}; accepted {accepted} with {};",
            counted(*notifications, "notification"),
            counted(ids.len(), "event"),
            accepted_ids.len(),
        )?;
        outln!("delivered {}; parked {parked}; lost {lost}", delivered.len())?;
        if lost > 0 || unknown > 0 || refused > 0 {
            return Err(Failure::runtime(format!(
                "{} did not arrive, {} not accepted, {} never sent; try again with --log debug --keep DIR",
                counted(lost, "accepted event"),
                counted(refused, "notification"),
                counted(unknown, "delivered event"),
            )));
        }
        Ok(())
    }
}
