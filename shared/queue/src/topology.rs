//! The queues and their arguments: constants, never settings, because two processes with different values could not
//! both start. An operator's shorter retention is a RabbitMQ policy (the lower value wins).

use std::time::Duration;

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
pub const DELIVERY_LIMIT: u32 = 200;
/// Reading a dead letter counts as a delivery, and by default RabbitMQ 4 would drop it after 20.
const DEAD_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// One queue and the arguments that it is declared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// Its name.
    pub name: QueueName,
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
}

/// Every queue. A queue comes after the one to which it dead-letters.
pub fn topology() -> Vec<QueueSpec> {
    QueueName::ALL.into_iter().map(|name| QueueSpec { name, arguments: arguments(name) }).collect()
}

fn arguments(name: QueueName) -> Vec<(&'static str, Argument)> {
    let mut arguments = vec![
        ("x-queue-type", Argument::Text("quorum")),
        ("x-overflow", Argument::Text("reject-publish")),
        ("x-message-ttl", ttl(name)),
    ];
    match name {
        QueueName::Class(_) => {
            arguments.push(("x-delivery-limit", Argument::Number(i64::from(DELIVERY_LIMIT))));
            arguments.extend(dead_lettering(QueueName::Dead));
        }
        QueueName::Retry(class, _) => arguments.extend(dead_lettering(QueueName::Class(class))),
        QueueName::Dead => arguments.push(("x-delivery-limit", Argument::Number(DEAD_DELIVERY_LIMIT))),
    }
    arguments
}

fn ttl(name: QueueName) -> Argument {
    let kept = match name {
        QueueName::Class(_) => CLASS_TTL,
        QueueName::Retry(_, tier) => tier.delay(),
        QueueName::Dead => DEAD_TTL,
    };
    Argument::Number(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
}

/// At-least-once needs a quorum queue, `reject-publish` and a target that exists. All three hold.
fn dead_lettering(target: QueueName) -> [(&'static str, Argument); 3] {
    [
        ("x-dead-letter-exchange", Argument::Text("")),
        ("x-dead-letter-routing-key", Argument::Text(target.as_str())),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
    ]
}

#[cfg(test)]
mod tests {
    use event::Class;

    use super::*;
    use crate::queue_name::Tier;

    #[test]
    fn every_queue_has_a_time_limit_because_it_holds_personal_data() {
        for spec in topology() {
            assert!(spec.arguments.iter().any(|(name, _)| *name == "x-message-ttl"), "{}", spec.name.as_str());
        }
    }

    #[test]
    fn a_retry_queue_returns_envelopes_to_their_class_and_drops_none() {
        let retry = topology().into_iter().find(|spec| spec.name == QueueName::Retry(Class::Updates, Tier::TenSeconds));
        let arguments = retry.unwrap().arguments;

        for expected in [
            ("x-message-ttl", Argument::Number(10_000)),
            ("x-overflow", Argument::Text("reject-publish")),
            ("x-dead-letter-routing-key", Argument::Text("meta.updates.v1")),
            ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ] {
            assert!(arguments.contains(&expected), "{expected:?} in {arguments:?}");
        }
    }
}
