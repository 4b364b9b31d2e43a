//! The queues and their arguments: constants, never settings, because two processes with different values could not
//! both start. An operator's shorter retention is a RabbitMQ policy (the lower value wins).

use std::time::Duration;

use crate::broker_queue::BrokerQueue;
use crate::queue_name::QueueName;

/// Meta repeats an event for 7 days. An envelope that was not taken for that long is parked as `expired_unread`.
pub const CLASS_TTL: Duration = Duration::from_hours(7 * 24);
/// Dead letters hold personal data, so they are not kept for ever.
pub const DEAD_TTL: Duration = Duration::from_hours(14 * 24);
/// At this size the dead letters take no more, so that they do not fill the disk that every queue needs. The embedded queue
/// knows it; for RabbitMQ it is the policy `dead-letters` in `ops/rabbitmq`.
pub const DEAD_BYTES_MAX: i64 = 4_000_000_000;
/// The queue parks an envelope that was delivered more often: it may kill workers. Each time that an envelope is given
/// back counts, too, so one that waits out an outage is renewed (copied) before it gets here.
pub const DELIVERY_LIMIT: u32 = 1_000;
/// Reading a dead letter counts as a delivery, and by default RabbitMQ 4 would drop it after 20.
const DEAD_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// One queue and the arguments that it is declared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// The queue.
    pub queue: BrokerQueue,
    /// Whether it has a fanout exchange of the same name in front, through which everything gets into it: so it gets what is
    /// published with any routing key, and what leaves it by its time limit still has that key.
    pub has_exchange: bool,
    /// Its `x-` arguments.
    pub arguments: Vec<(&'static str, Argument)>,
}

/// An argument's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Such as a queue type.
    Text(&'static str),
    /// Milliseconds or a count.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// Every queue. A queue comes after those to which it dead-letters.
pub fn topology() -> Vec<QueueSpec> {
    BrokerQueue::all().into_iter().map(spec).collect()
}

/// What a queue is declared with.
pub(crate) fn spec(queue: BrokerQueue) -> QueueSpec {
    let mut arguments = vec![
        ("x-queue-type", Argument::Text("quorum")),
        ("x-overflow", Argument::Text("reject-publish")),
        ("x-message-ttl", ttl(queue)),
    ];
    match queue {
        BrokerQueue::Partition(..) => {
            arguments.push(("x-single-active-consumer", Argument::Flag(true)));
            arguments.push(("x-delivery-limit", Argument::Number(i64::from(DELIVERY_LIMIT))));
            arguments.push(("x-dead-letter-routing-key", Argument::Text(QueueName::Dead.as_str())));
            arguments.extend(DEAD_LETTERING);
        }
        // The routing key stays the name of the partition that it came from.
        BrokerQueue::Retry(..) => arguments.extend(DEAD_LETTERING),
        BrokerQueue::Dead => arguments.push(("x-delivery-limit", Argument::Number(DEAD_DELIVERY_LIMIT))),
    }
    QueueSpec { queue, has_exchange: matches!(queue, BrokerQueue::Retry(..)), arguments }
}

fn ttl(queue: BrokerQueue) -> Argument {
    let kept = match queue {
        BrokerQueue::Partition(..) => CLASS_TTL,
        BrokerQueue::Retry(_, tier) => tier.delay(),
        BrokerQueue::Dead => DEAD_TTL,
    };
    Argument::Number(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
}

/// Dead-lettering to the default exchange. At-least-once needs a quorum queue, `reject-publish` and a target that exists.
const DEAD_LETTERING: [(&str, Argument); 2] =
    [("x-dead-letter-exchange", Argument::Text("")), ("x-dead-letter-strategy", Argument::Text("at-least-once"))];

#[cfg(test)]
mod tests {
    use event::Class;

    use super::*;
    use crate::queue_name::Tier;

    #[test]
    fn every_queue_has_a_time_limit_because_it_holds_personal_data() {
        for spec in topology() {
            assert!(spec.arguments.iter().any(|(name, _)| *name == "x-message-ttl"), "{}", spec.queue.as_str());
        }
    }

    #[test]
    fn a_retry_queue_returns_envelopes_by_their_own_routing_keys_and_drops_none() {
        let retry = spec(BrokerQueue::Retry(Class::Updates, Tier::TenSeconds));

        assert!(retry.has_exchange);
        for expected in [
            ("x-message-ttl", Argument::Number(10_000)),
            ("x-overflow", Argument::Text("reject-publish")),
            ("x-dead-letter-exchange", Argument::Text("")),
            ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ] {
            assert!(retry.arguments.contains(&expected), "{expected:?} in {retry:?}");
        }
        assert!(!retry.arguments.iter().any(|(name, _)| *name == "x-dead-letter-routing-key"));
    }
}
