//! Publishing in rounds: send what waits, await every confirm, collect every return, only then answer anyone.
//!
//! lapin hands a returned message to whichever confirm completes next, so within a round nobody may be answered until
//! all have been heard; and a late confirm must not reach another round, so a round that fails ends its AMQP channel.

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

use super::link::Link;
use super::{declare, wire};
use crate::publisher::{Outgoing, Request};
use crate::{Metrics, PublishError};

/// Confirms awaited at once; 256 was as fast as any more (measured).
const ROUND_ENVELOPES_MAX: usize = 256;
/// Bytes sent before confirms are awaited; one body may be larger by itself.
const ROUND_BYTES_MAX: usize = 4 << 20;
/// Shorter than the 4 s in which ingest answers Meta, longer than a quorum write under load (p99 15 ms measured).
const ROUND_TIME: Duration = Duration::from_secs(3);
/// Longest wait for an AMQP channel to open or close.
const CHANNEL_TIME: Duration = Duration::from_secs(1);
/// Wait after an AMQP channel failed on a good connection, so that a broker in trouble is not hammered.
const CHANNEL_PAUSE: Duration = Duration::from_millis(100);

/// One publishing task.
pub(super) struct Rounds {
    link: Link,
    requests: mpsc::Receiver<Request>,
    open: VecDeque<Open>,
    metrics: Metrics,
    shutdown: Shutdown,
}

/// A request of which not all is answered.
struct Open {
    waiting: VecDeque<Outgoing>,
    reply: oneshot::Sender<Result<(), PublishError>>,
}

impl Rounds {
    pub(super) fn new(link: Link, requests: mpsc::Receiver<Request>, metrics: Metrics, shutdown: Shutdown) -> Self {
        Self { link, requests, open: VecDeque::new(), metrics, shutdown }
    }

    /// Runs until every publisher is gone: what is taken has to be settled after a stop was asked for, too.
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
            let ended = self.publish_on(&connection, &channel).await;
            timeout(CHANNEL_TIME, declare::close(channel)).await.ok();
            if ended {
                return;
            }
            self.shutdown.pause(CHANNEL_PAUSE).await;
        }
    }

    /// `false` once there is nobody left to answer.
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

    /// Publishes until the AMQP channel fails (`false`) or nobody is left to ask (`true`).
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
            // It broke while nobody published: what has come just now goes over the next one.
            if !channel.status().connected() {
                return false;
            }
            if connection.status().blocked() {
                self.fail_all(PublishError::Blocked);
                continue;
            }
            let batch = self.next_batch();
            let started = Instant::now();
            let heard = timeout(ROUND_TIME, round(channel, &batch)).await;
            self.metrics.round(started.elapsed());
            match heard {
                Ok(Ok(answers)) => self.answer(batch, answers),
                failed => {
                    let error = match failed {
                        Err(_) if connection.status().blocked() => PublishError::Blocked,
                        Err(_) => PublishError::TimedOut,
                        Ok(_) => PublishError::Away,
                    };
                    warn!(envelopes = batch.len(), "A round of publishes failed: {error}");
                    self.metrics.published(Err(error), batch.len());
                    self.fail_all(error);
                    return false;
                }
            }
        }
    }

    fn admit(&mut self, request: Request) {
        self.open.push_back(Open { waiting: request.outgoing.into(), reply: request.reply });
    }

    /// The oldest requests' envelopes, in order, each with the place of its request in `open`.
    fn next_batch(&mut self) -> Vec<(usize, Outgoing)> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (index, open) in self.open.iter_mut().enumerate() {
            while let Some(next) = open.waiting.front() {
                let size = next.wire.body.len();
                if batch.len() == ROUND_ENVELOPES_MAX || (!batch.is_empty() && bytes + size > ROUND_BYTES_MAX) {
                    return batch;
                }
                bytes += size;
                batch.extend(open.waiting.pop_front().map(|outgoing| (index, outgoing)));
            }
        }
        batch
    }

    /// Answers every request that is through, or has failed. A request whose rest still waits is answered later.
    fn answer(&mut self, batch: Vec<(usize, Outgoing)>, answers: Vec<Result<(), PublishError>>) {
        let mut failures: Vec<Option<PublishError>> = vec![None; self.open.len()];
        for ((index, _), answer) in batch.into_iter().zip(answers) {
            self.metrics.published(answer, 1);
            if let Err(error) = answer {
                failures[index] = Some(error);
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

    fn refuse(&self, request: Request, error: PublishError) {
        self.metrics.published(Err(error), request.outgoing.len());
        request.reply.send(Err(error)).ok();
    }

    fn fail_all(&mut self, error: PublishError) {
        for open in std::mem::take(&mut self.open) {
            self.metrics.published(Err(error), open.waiting.len());
            open.reply.send(Err(error)).ok();
        }
    }
}

async fn open_channel(connection: &Arc<Connection>) -> Option<Channel> {
    let opened = async {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok::<_, lapin::Error>(channel)
    };
    match timeout(CHANNEL_TIME, opened).await {
        Ok(Ok(channel)) => Some(channel),
        Ok(Err(error)) => {
            warn!(%error, "Could not open an AMQP channel for publishing: {error}");
            None
        }
        Err(_) => {
            warn!("Could not open an AMQP channel for publishing in time");
            None
        }
    }
}

/// One round: an answer for each envelope, in their order, or the failure of all.
async fn round(channel: &Channel, batch: &[(usize, Outgoing)]) -> lapin::Result<Vec<Result<(), PublishError>>> {
    // Polled in order by this one task, so lapin's numbering and the frames' order agree.
    let sent: FuturesOrdered<_> = batch.iter().map(|(_, outgoing)| send(channel, outgoing)).collect();
    let confirms: FuturesOrdered<_> = sent.try_collect::<Vec<_>>().await?.into_iter().collect();
    let confirmations: Vec<Confirmation> = confirms.try_collect().await?;
    Ok(answers(batch, confirmations))
}

async fn send(channel: &Channel, outgoing: &Outgoing) -> lapin::Result<lapin::PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let queue = outgoing.place.queue().into();
    channel.basic_publish("".into(), queue, options, &outgoing.wire.body, wire::properties(&outgoing.wire)).await
}

/// A return may have come with any confirm of the round: who was returned is known by message id alone.
fn answers(batch: &[(usize, Outgoing)], confirmations: Vec<Confirmation>) -> Vec<Result<(), PublishError>> {
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
    let unroutable = |id: &str| is_nameless || returned.contains(id);
    let answer = |((_, outgoing), verdict): (&(usize, Outgoing), _)| {
        if unroutable(outgoing.wire.message_id.as_str()) { Err(PublishError::Unroutable) } else { verdict }
    };
    batch.iter().zip(verdicts).map(answer).collect()
}
