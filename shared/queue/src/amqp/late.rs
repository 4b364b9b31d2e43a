//! A round of publishes that overran its time. Its confirms may still come, and then they settle it: a copy that is queued
//! must not be published again because its confirm was late.

use std::sync::Arc;
use std::time::Duration;

use chassis::Shutdown;
use lapin::{Channel, Connection};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::{info, warn};

use super::declare;
use super::link::BrokerLink;
use super::remake::{Remade, remake_all};
use super::requests::Requests;
use super::round::{Round, RoundEnd};
use crate::metrics::Metrics;
use crate::publisher::PublishError;

/// How long a late round is awaited. Shorter than the 25 minutes after which the dispatcher gives back an original, and so
/// long that a copy is made again only when its confirm was most likely lost.
const LATE_TIME: Duration = Duration::from_mins(5);
/// How long a late round is awaited when the process stops. It has to be over before the grace of 25 s is.
const STOP_TIME: Duration = Duration::from_secs(3);

/// What a publishing task needs beside its requests.
#[derive(Clone)]
pub(super) struct RoundsParts {
    pub(super) link: BrokerLink,
    pub(super) remade: Remade,
    pub(super) metrics: Metrics,
    pub(super) shutdown: Shutdown,
}

/// A round that is late, with everything that belongs to it.
pub(super) struct LateRound {
    pub(super) round: Round,
    pub(super) envelopes: usize,
    pub(super) requests: Requests,
    pub(super) connection: Arc<Connection>,
    pub(super) channel: Channel,
    /// One of the few places for late rounds.
    pub(super) late: OwnedSemaphorePermit,
    pub(super) parts: RoundsParts,
}

impl LateRound {
    /// Runs until the round has ended, its connection is lost, or it has been awaited for long enough.
    pub(super) async fn run(self) {
        let Self { mut round, envelopes, mut requests, connection, channel, late, parts } = self;
        let stop = async {
            parts.shutdown.requested().await;
            timeout(STOP_TIME, std::future::pending::<()>()).await.ok();
        };
        let end = tokio::select! {
            end = &mut round => Ok(end),
            () = parts.link.lost(&connection) => Err(PublishError::Away),
            () = wait(&connection) => Err(PublishError::TimedOut),
            () = stop => Err(PublishError::TimedOut),
        };
        match end {
            Ok(end) => settle(&mut requests, end, &connection, &parts).await,
            Err(error) => {
                warn!(envelopes, "A late round of publishes was given up: {error}");
                requests.count(Err(error), envelopes);
                requests.fail_all(error);
            }
        }
        declare::close(channel).await;
        drop(late);
    }
}

/// Waits for [`LATE_TIME`], and on as long as an alarm blocks the connection: the round's bytes are still in memory then,
/// because lapin has not sent them.
async fn wait(connection: &Connection) {
    loop {
        timeout(LATE_TIME, std::future::pending::<()>()).await.ok();
        if !connection.status().blocked() {
            return;
        }
    }
}

async fn settle(requests: &mut Requests, end: RoundEnd, connection: &Arc<Connection>, parts: &RoundsParts) {
    if end.answers.is_ok() {
        info!(envelopes = end.batch.len(), "A late round of publishes has been confirmed");
    }
    remake_all(&parts.link, connection, requests.settle(end), &parts.remade).await;
}
