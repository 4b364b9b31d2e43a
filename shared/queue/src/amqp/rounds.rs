//! Publishing in rounds: send what waits, await every confirm, collect every return, and only then answer.
//!
//! lapin attaches a returned message to whichever confirm completes next. So within a round nothing is answered before
//! every confirm has come. A late confirm must not reach another round, so a round that fails ends its AMQP channel.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chassis::Shutdown;
use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesOrdered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::link::BrokerLink;
use super::{declare, wire};
use crate::metrics::{Metrics, PublishOutcome};
use crate::publisher::{Outgoing, PublishError, PublishRequest};

/// Confirms awaited at once. More than 256 were not faster (measured).
const ROUND_ENVELOPES_MAX: usize = 256;
/// Bytes sent before confirms are awaited. A single body may be larger.
const ROUND_BYTES_MAX: usize = 4 << 20;
/// Shorter than the 4 s in which ingest answers Meta, longer than a quorum write under load (p99 15 ms measured).
const ROUND_TIME: Duration = Duration::from_secs(3);
/// Longest wait for an AMQP channel to open or close.
const CHANNEL_TIME: Duration = Duration::from_secs(1);
/// The pause after an AMQP channel failed on a good connection, so that a broker in trouble is not hammered.
const CHANNEL_PAUSE: Duration = Duration::from_millis(100);

/// One publishing task.
pub(super) struct Rounds {
    link: BrokerLink,
    requests: mpsc::Receiver<PublishRequest>,
    open: VecDeque<OpenRequest>,
    metrics: Metrics,
    shutdown: Shutdown,
}

/// A request that is not answered yet.
struct OpenRequest {
    /// What is not sent yet.
    waiting: VecDeque<Outgoing>,
    reply: oneshot::Sender<Result<(), PublishError>>,
}

/// An envelope of a round.
struct RoundEnvelope {
    /// The index of its request in `open`.
    request: usize,
    outgoing: Outgoing,
}

impl Rounds {
    pub(super) fn new(
        link: BrokerLink,
        requests: mpsc::Receiver<PublishRequest>,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Self {
        Self { link, requests, open: VecDeque::new(), metrics, shutdown }
    }

    /// Runs until every publisher is gone, also after a stop was requested: retries and dead letters are still published.
    pub(super) async fn run(mut self) {
        loop {
            let Some(connection) = self.link.current() else {
                if !self.refuse_until_connected().await {
                    return;
                }
                continue;
            };
            let Some(channel) = open_channel(&connection).await else {
                self.fail_all(PublishError::Away);
                self.shutdown.pause(CHANNEL_PAUSE).await;
                continue;
            };
            let is_finished = self.publish_on(&connection, &channel).await;
            timeout(CHANNEL_TIME, declare::close(channel)).await.ok();
            if is_finished {
                return;
            }
            self.shutdown.pause(CHANNEL_PAUSE).await;
        }
    }

    /// Returns `false` once every publisher is gone.
    async fn refuse_until_connected(&mut self) -> bool {
        self.fail_all(PublishError::Away);
        tokio::select! {
            request = self.requests.recv() => match request {
                Some(request) => self.refuse(request, PublishError::Away),
                None => return false,
            },
            is_kept = self.link.changed() => return is_kept,
        }
        true
    }

    /// Publishes until the AMQP channel fails (`false`) or every publisher is gone (`true`).
    async fn publish_on(&mut self, connection: &Connection, channel: &Channel) -> bool {
        loop {
            if self.open.is_empty() {
                match self.requests.recv().await {
                    Some(request) => self.admit(request),
                    None => return true,
                }
            }
            while self.open.len() < ROUND_ENVELOPES_MAX
                && let Ok(request) = self.requests.try_recv()
            {
                self.admit(request);
            }
            // It may have broken while nothing was published. Then the next one carries what has just come.
            if !channel.status().connected() {
                return false;
            }
            if connection.status().blocked() {
                self.fail_all(PublishError::Blocked);
                continue;
            }
            let batch = self.next_batch();
            let started = Instant::now();
            let answers = timeout(ROUND_TIME, round(channel, &batch)).await;
            self.metrics.round_seconds.observe_duration(started.elapsed());
            match answers {
                Ok(Ok(answers)) => self.answer(batch, answers),
                failed => {
                    let error = match failed {
                        Err(_) if connection.status().blocked() => PublishError::Blocked,
                        Err(_) => PublishError::TimedOut,
                        Ok(_) => PublishError::Away,
                    };
                    warn!(envelopes = batch.len(), "A round of publishes failed: {error}");
                    self.count(Err(error), batch.len());
                    self.fail_all(error);
                    return false;
                }
            }
        }
    }

    fn admit(&mut self, request: PublishRequest) {
        self.open.push_back(OpenRequest { waiting: request.outgoing.into(), reply: request.reply });
    }

    /// Takes the oldest requests' envelopes, in order.
    fn next_batch(&mut self) -> Vec<RoundEnvelope> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (request, open) in self.open.iter_mut().enumerate() {
            while let Some(next) = open.waiting.front() {
                let size = next.wire.body.len();
                if batch.len() == ROUND_ENVELOPES_MAX || (!batch.is_empty() && bytes + size > ROUND_BYTES_MAX) {
                    return batch;
                }
                bytes += size;
                batch.extend(open.waiting.pop_front().map(|outgoing| RoundEnvelope { request, outgoing }));
            }
        }
        batch
    }

    /// Answers every request that is published or has failed. A request of which a part still waits is answered later.
    fn answer(&mut self, batch: Vec<RoundEnvelope>, answers: Vec<Result<(), PublishError>>) {
        let mut failures: Vec<Option<PublishError>> = vec![None; self.open.len()];
        for (envelope, answer) in batch.into_iter().zip(answers) {
            self.count(answer, 1);
            if let Err(error) = answer {
                failures[envelope.request] = Some(error);
            }
        }
        if failures.contains(&Some(PublishError::Unroutable)) {
            self.link.redeclare();
        }
        for (open, failure) in std::mem::take(&mut self.open).into_iter().zip(failures) {
            match failure {
                Some(error) => drop(open.reply.send(Err(error))),
                None if open.waiting.is_empty() => drop(open.reply.send(Ok(()))),
                None => self.open.push_back(open),
            }
        }
    }

    fn refuse(&self, request: PublishRequest, error: PublishError) {
        self.count(Err(error), request.outgoing.len());
        request.reply.send(Err(error)).ok();
    }

    fn fail_all(&mut self, error: PublishError) {
        for open in std::mem::take(&mut self.open) {
            self.count(Err(error), open.waiting.len());
            open.reply.send(Err(error)).ok();
        }
    }

    fn count(&self, result: Result<(), PublishError>, envelopes: usize) {
        self.metrics.published_total.add(PublishOutcome(result), envelopes);
    }
}

async fn open_channel(connection: &Arc<Connection>) -> Option<Channel> {
    let opening = async {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok::<_, lapin::Error>(channel)
    };
    match timeout(CHANNEL_TIME, opening).await {
        Ok(Ok(channel)) => Some(channel),
        Ok(Err(error)) => {
            warn!("Could not open an AMQP channel for publishing: {error}");
            None
        }
        Err(_) => {
            warn!("Could not open an AMQP channel for publishing in time");
            None
        }
    }
}

/// Publishes one round. Returns an answer for each envelope, in their order, or the failure of all.
async fn round(channel: &Channel, batch: &[RoundEnvelope]) -> lapin::Result<Vec<Result<(), PublishError>>> {
    // This one task polls them in order, so that lapin's numbers and the order of the frames agree.
    let sent: FuturesOrdered<_> = batch.iter().map(|envelope| send(channel, &envelope.outgoing)).collect();
    let confirms: FuturesOrdered<_> = sent.try_collect::<Vec<_>>().await?.into_iter().collect();
    let confirmations: Vec<Confirmation> = confirms.try_collect().await?;
    Ok(answers(batch, confirmations))
}

async fn send(channel: &Channel, outgoing: &Outgoing) -> lapin::Result<lapin::PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let queue = outgoing.queue.as_str().into();
    channel.basic_publish("".into(), queue, options, &outgoing.wire.body, wire::properties(&outgoing.wire)).await
}

/// A returned message may come with any confirm of the round, so only its message id says which envelope was returned.
fn answers(batch: &[RoundEnvelope], confirmations: Vec<Confirmation>) -> Vec<Result<(), PublishError>> {
    let mut returned: HashSet<String> = HashSet::new();
    let mut is_nameless = false;
    let verdicts: Vec<Result<(), PublishError>> = confirmations
        .into_iter()
        .map(|confirmation| {
            let verdict = match &confirmation {
                Confirmation::Ack(_) => Ok(()),
                Confirmation::Nack(_) | Confirmation::NotRequested => Err(PublishError::Refused),
            };
            if let Some(message) = confirmation.take_message() {
                let properties: &BasicProperties = &message.properties;
                match wire::message_id(properties) {
                    Some(id) => drop(returned.insert(id.to_owned())),
                    None => is_nameless = true,
                }
            }
            verdict
        })
        .collect();
    let mut answers = Vec::with_capacity(batch.len());
    for (envelope, verdict) in batch.iter().zip(verdicts) {
        let is_returned = is_nameless || returned.contains(envelope.outgoing.wire.message_id.as_str());
        answers.push(if is_returned { Err(PublishError::Unroutable) } else { verdict });
    }
    answers
}
