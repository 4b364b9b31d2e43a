//! The requests of a publishing task that are not answered yet, and which of their envelopes make up the next round.

use std::collections::{BTreeSet, VecDeque};

use lapin::protocol::{AMQPErrorKind, AMQPSoftError};

use super::call::refusal;
use super::round::{RoundEnd, RoundEnvelope};
use crate::broker_queue::BrokerQueue;
use crate::metrics::{Metrics, PublishOutcome};
use crate::publisher::{Outgoing, Patience, PublishError, PublishRequest, Reply};

/// Confirms awaited at once. More than 256 were not faster (measured).
pub(super) const ROUND_ENVELOPES_MAX: usize = 256;
/// Bytes sent before confirms are awaited. A single body may be larger.
const ROUND_BYTES_MAX: usize = 4 << 20;

/// Requests in the order in which they came.
pub(super) struct Requests {
    open: VecDeque<OpenRequest>,
    /// How many of them have a part in the last batch.
    in_round: usize,
    metrics: Metrics,
}

/// A request that is not answered yet.
struct OpenRequest {
    /// What is not sent yet.
    waiting: VecDeque<Outgoing>,
    patience: Patience,
    reply: Reply,
}

impl Requests {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { open: VecDeque::new(), in_round: 0, metrics }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether there may be more requests than the next round takes.
    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= ROUND_ENVELOPES_MAX
    }

    pub(super) fn admit(&mut self, request: PublishRequest) {
        let PublishRequest { outgoing, patience, reply } = request;
        self.open.push_back(OpenRequest { waiting: outgoing.into(), patience, reply });
    }

    /// Takes the oldest requests' envelopes, in order. What nobody waits for any more is not sent.
    pub(super) fn next_batch(&mut self) -> Vec<RoundEnvelope> {
        let metrics = &self.metrics;
        self.open.retain(|open| {
            let is_wanted = !open.reply.is_abandoned();
            if !is_wanted {
                metrics.published_total.add(PublishOutcome(Err(PublishError::TimedOut)), open.waiting.len());
            }
            is_wanted
        });
        let batch = self.oldest();
        self.in_round = batch.last().map_or(0, |last| last.request + 1);
        batch
    }

    fn oldest(&mut self) -> Vec<RoundEnvelope> {
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
    /// Returns the queues that may not exist, or may have no exchange in front.
    pub(super) fn settle(&mut self, end: RoundEnd) -> BTreeSet<BrokerQueue> {
        let RoundEnd { batch, answers } = end;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                self.count(Err(PublishError::Away), batch.len());
                self.fail_all(PublishError::Away);
                // Unlike a queue, an exchange that is gone ends the AMQP channel.
                let is_exchange_missing = refusal(&error, &AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)).is_some();
                let suspects = batch.into_iter().filter(|_| is_exchange_missing);
                return suspects.map(|envelope| envelope.outgoing.broker_queue()).collect();
            }
        };
        let mut missing = BTreeSet::new();
        let mut failures: Vec<Option<PublishError>> = vec![None; self.open.len()];
        for (envelope, answer) in batch.into_iter().zip(answers) {
            self.count(answer, 1);
            if let Err(error) = answer {
                failures[envelope.request] = Some(error);
                if error == PublishError::Unroutable {
                    missing.insert(envelope.outgoing.broker_queue());
                }
            }
        }
        for (mut open, failure) in std::mem::take(&mut self.open).into_iter().zip(failures) {
            match failure {
                Some(error) => open.reply.answer(Err(error)),
                None if open.waiting.is_empty() => open.reply.answer(Ok(())),
                None => self.open.push_back(open),
            }
        }
        missing
    }

    /// Splits off the requests that have a part in the round under way, which does not end in time. Callers whose patience
    /// is limited get their answer now; what their requests hold stays held until the round ends.
    pub(super) fn split_off_round(&mut self, error: PublishError) -> Self {
        let mut round: VecDeque<OpenRequest> = self.open.drain(..self.in_round).collect();
        for open in &mut round {
            if open.patience == Patience::Limited {
                open.reply.answer(Err(error));
                // Of these nothing more is sent; what is on its way is counted when it ends.
                self.metrics.published_total.add(PublishOutcome(Err(error)), open.waiting.len());
                open.waiting.clear();
            }
        }
        Self { open: round, in_round: self.in_round, metrics: self.metrics.clone() }
    }

    /// Answers all requests with this error.
    pub(super) fn fail_all(&mut self, error: PublishError) {
        for mut open in std::mem::take(&mut self.open) {
            self.count(Err(error), open.waiting.len());
            open.reply.answer(Err(error));
        }
    }

    /// Counts envelopes by how their publish ended.
    pub(super) fn count(&self, result: Result<(), PublishError>, envelopes: usize) {
        self.metrics.published_total.add(PublishOutcome(result), envelopes);
    }
}
