//! One round of publishes: sent together, and answered when every confirm has come.
//!
//! lapin attaches a returned message to whichever confirm completes next. So within a round nothing is answered before
//! every confirm has come.

use std::collections::HashSet;
use std::pin::Pin;

use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesOrdered;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation};

use super::wire;
use crate::broker_queue::BrokerQueue;
use crate::publisher::{Outgoing, PublishError};

/// An envelope of a round.
pub(super) struct RoundEnvelope {
    /// The index of its request among those of the round.
    pub(super) request: usize,
    pub(super) outgoing: Outgoing,
}

/// A round that has ended: its envelopes, and an answer for each of them in their order, or the failure of all.
pub(super) struct RoundEnd {
    pub(super) batch: Vec<RoundEnvelope>,
    pub(super) answers: lapin::Result<Vec<Result<(), PublishError>>>,
}

impl RoundEnd {
    /// Whether a queue refused a message.
    pub(super) fn is_any_refused(&self) -> bool {
        self.answers.as_ref().is_ok_and(|answers| answers.contains(&Err(PublishError::Refused)))
    }
}

/// A round under way.
pub(super) type Round = Pin<Box<dyn Future<Output = RoundEnd> + Send>>;

/// Publishes one round on an AMQP channel that no other round uses meanwhile.
pub(super) fn begin(channel: Channel, batch: Vec<RoundEnvelope>) -> Round {
    Box::pin(async move {
        let answers = publish(&channel, &batch).await;
        RoundEnd { batch, answers }
    })
}

async fn publish(channel: &Channel, batch: &[RoundEnvelope]) -> lapin::Result<Vec<Result<(), PublishError>>> {
    // This one task polls them in order, so that lapin's numbers and the order of the frames agree.
    let sent: FuturesOrdered<_> = batch.iter().map(|envelope| send(channel, &envelope.outgoing)).collect();
    let confirms: FuturesOrdered<_> = sent.try_collect::<Vec<_>>().await?.into_iter().collect();
    let confirmations: Vec<Confirmation> = confirms.try_collect().await?;
    Ok(answers(batch, confirmations))
}

async fn send(channel: &Channel, outgoing: &Outgoing) -> lapin::Result<lapin::PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let (exchange, key) = route(outgoing);
    let properties = wire::properties(&outgoing.wire);
    channel.basic_publish(exchange.into(), key.into(), options, &outgoing.wire.body, properties).await
}

/// The exchange and the routing key. A retry queue keeps the key, by which the default exchange finds the partition later.
fn route(outgoing: &Outgoing) -> (&'static str, &'static str) {
    let queue = outgoing.broker_queue();
    match queue {
        BrokerQueue::Partition(..) | BrokerQueue::Dead => ("", queue.as_str()),
        BrokerQueue::Retry(class, _) => (queue.as_str(), BrokerQueue::Partition(class, outgoing.partition).as_str()),
    }
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
