//! Publishing in rounds: send what waits, await every confirm, collect every return, and only then answer.
//!
//! A round that overruns its time keeps its AMQP channel, and the next round gets a new one: a late confirm reaches its
//! own round and no other.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::call::{CallError, call, open_channel};
use super::declare;
use super::late::{LateRound, RoundsParts};
use super::remake::remake_all;
use super::requests::Requests;
use super::round::{self, RoundEnd};
use crate::publisher::{PublishError, PublishRequest};

/// Shorter than the 4 s in which ingest answers Meta, longer than a quorum write under load (p99 15 ms measured).
const ROUND_TIME: Duration = Duration::from_secs(3);
/// Late rounds of one task that may be awaited beside each other. Each keeps an AMQP channel and its bytes.
const LATE_ROUNDS_MAX: usize = 8;
/// The pause after an AMQP channel failed on a good connection, so that a broker in trouble is not hammered.
const CHANNEL_PAUSE: Duration = Duration::from_millis(100);

/// One publishing task.
pub(super) struct Rounds {
    parts: RoundsParts,
    requests: mpsc::Receiver<PublishRequest>,
    open: Requests,
    late: Arc<Semaphore>,
}

/// Why an AMQP channel is not used any more.
enum ChannelEnd {
    /// It failed, or it was left to a round that is late.
    Unusable,
    /// A queue refused a message on it. RabbitMQ tells a channel when the queue takes messages again, but not when that is so
    /// because its limit was raised (3.10.8): the channel would refuse for ever.
    Refusing,
    /// Every publisher is gone.
    Finished,
}

/// What stops publishing now, and lets every request be refused at once.
enum Obstacle {
    Away,
    Blocked,
    /// Too many rounds are late.
    Late,
}

impl Obstacle {
    fn error(&self) -> PublishError {
        match self {
            Self::Away => PublishError::Away,
            Self::Blocked => PublishError::Blocked,
            Self::Late => PublishError::TimedOut,
        }
    }
}

impl Rounds {
    pub(super) fn new(requests: mpsc::Receiver<PublishRequest>, parts: RoundsParts) -> Self {
        let open = Requests::new(parts.metrics.clone());
        Self { parts, requests, open, late: Arc::new(Semaphore::new(LATE_ROUNDS_MAX)) }
    }

    /// Runs until every publisher is gone, also after a stop was requested: retries and dead letters are still published.
    pub(super) async fn run(mut self) {
        loop {
            let connection = match self.clear_way() {
                Ok(connection) => connection,
                Err(obstacle) => {
                    if !self.refuse_until_changed(&obstacle).await {
                        return;
                    }
                    continue;
                }
            };
            match open_confirming(&connection).await {
                Ok(channel) => match self.publish_on(&connection, &channel).await {
                    ChannelEnd::Finished => {
                        declare::close(channel).await;
                        return;
                    }
                    ChannelEnd::Refusing => {
                        declare::close(channel).await;
                        continue;
                    }
                    ChannelEnd::Unusable => {}
                },
                Err(error) => {
                    debug!("Could not open an AMQP channel for publishing: {error}");
                    // A blocked broker does not read the request. That is found out at the top.
                    if !connection.status().blocked() {
                        self.open.fail_all(PublishError::Away);
                        if error.ends_connection() {
                            self.parts.link.give_up(&connection);
                        }
                    }
                }
            }
            self.parts.shutdown.pause(CHANNEL_PAUSE).await;
        }
    }

    /// The connection, if something can be published on it now.
    fn clear_way(&self) -> Result<Arc<Connection>, Obstacle> {
        let connection = self.parts.link.current().ok_or(Obstacle::Away)?;
        if connection.status().blocked() {
            return Err(Obstacle::Blocked);
        }
        if self.late.available_permits() == 0 {
            return Err(Obstacle::Late);
        }
        Ok(connection)
    }

    /// Refuses every request at once until something has changed. Returns `false` once every publisher is gone.
    async fn refuse_until_changed(&mut self, obstacle: &Obstacle) -> bool {
        self.open.fail_all(obstacle.error());
        loop {
            let late_ends = async {
                match obstacle {
                    // A closed semaphore cannot be: this task owns it.
                    Obstacle::Late => drop(self.late.acquire().await),
                    Obstacle::Away | Obstacle::Blocked => std::future::pending().await,
                }
            };
            tokio::select! {
                // First of all: what came before the change is refused by its cause, what comes after it is published.
                biased;
                is_kept = self.parts.link.changed() => return is_kept,
                () = late_ends => return true,
                request = self.requests.recv() => match request {
                    Some(request) => {
                        self.open.admit(request);
                        if self.clear_way().is_ok() {
                            return true;
                        }
                        self.open.fail_all(obstacle.error());
                    }
                    None => return false,
                },
            }
        }
    }

    /// Publishes on one AMQP channel until it can't be used any more or every publisher is gone.
    async fn publish_on(&mut self, connection: &Arc<Connection>, channel: &Channel) -> ChannelEnd {
        loop {
            if self.open.is_empty() {
                match self.requests.recv().await {
                    Some(request) => self.open.admit(request),
                    None => return ChannelEnd::Finished,
                }
            }
            while !self.open.is_full()
                && let Ok(request) = self.requests.try_recv()
            {
                self.open.admit(request);
            }
            while let Err(obstacle) = self.clear_way() {
                match obstacle {
                    Obstacle::Blocked => {
                        if !self.refuse_until_changed(&obstacle).await {
                            return ChannelEnd::Finished;
                        }
                    }
                    Obstacle::Away | Obstacle::Late => return ChannelEnd::Unusable,
                }
            }
            // It may have broken while nothing was published. Then the next one carries what has just come.
            if !channel.status().connected() {
                return ChannelEnd::Unusable;
            }
            // There is always one: without any, no channel is opened.
            let Ok(late) = Arc::clone(&self.late).try_acquire_owned() else { return ChannelEnd::Unusable };
            if let Err(end) = self.publish_round(connection, channel, late).await {
                return end;
            }
        }
    }

    /// Publishes what waits. If that takes too long, the round is left alone with the AMQP channel and with `late`. An
    /// error says why the channel can't be used on.
    async fn publish_round(
        &mut self,
        connection: &Arc<Connection>,
        channel: &Channel,
        late: OwnedSemaphorePermit,
    ) -> Result<(), ChannelEnd> {
        let batch = self.open.next_batch();
        if batch.is_empty() {
            return Ok(());
        }
        let envelopes = batch.len();
        let started = Instant::now();
        let answers = self.parts.link.answers();
        let mut round = round::begin(channel.clone(), batch);
        let error = tokio::select! {
            biased;
            end = timeout(ROUND_TIME, &mut round) => match end {
                Ok(end) => return self.settle(end, connection, started).await,
                Err(_) => PublishError::TimedOut,
            },
            () = self.parts.link.blocked(connection) => PublishError::Blocked,
        };
        warn!(envelopes, "A round of publishes is late: {error}");
        if error == PublishError::TimedOut && self.parts.link.answers() == answers {
            // Not one queue is in trouble, but this node: it may be parted from the others, and not know it.
            self.parts.link.leave(connection);
        }
        let requests = self.open.split_off_round(error);
        let parts = self.parts.clone();
        let late = LateRound {
            round,
            envelopes,
            requests,
            connection: Arc::clone(connection),
            channel: channel.clone(),
            late,
            parts,
        };
        self.parts.shutdown.spawn(late.run());
        Err(ChannelEnd::Unusable)
    }

    /// Answers a round that ended in time. An error says why its AMQP channel can't be used on.
    async fn settle(
        &mut self,
        end: RoundEnd,
        connection: &Arc<Connection>,
        started: Instant,
    ) -> Result<(), ChannelEnd> {
        self.parts.metrics.round_seconds.observe_duration(started.elapsed());
        self.parts.link.note_answer();
        if let Err(error) = &end.answers {
            warn!(envelopes = end.batch.len(), "A round of publishes failed: {error}");
            self.remake(connection, end).await;
            return Err(ChannelEnd::Unusable);
        }
        let is_refusing = end.is_any_refused();
        self.remake(connection, end).await;
        if is_refusing { Err(ChannelEnd::Refusing) } else { Ok(()) }
    }

    /// Answers the requests of a round, and makes again what it found missing.
    async fn remake(&mut self, connection: &Arc<Connection>, end: RoundEnd) {
        let missing = self.open.settle(end);
        remake_all(&self.parts.link, connection, missing, &self.parts.remade).await;
    }
}

async fn open_confirming(connection: &Connection) -> Result<Channel, CallError> {
    let channel = open_channel(connection).await?;
    call("confirm.select", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}
