//! The queues and their arguments: constants, never settings, because two processes with different values could not
//! both start. An operator's shorter retention is a RabbitMQ policy (the lower value wins).

use std::time::Duration;

use crate::Place;

/// Meta sends an event again for 7 days; what nobody took for as long is parked as `expired_unread`.
pub const CLASS_TTL: Duration = Duration::from_hours(7 * 24);
/// Dead letters hold personal data, so they are not kept for ever.
pub const DEAD_TTL: Duration = Duration::from_hours(14 * 24);
/// The net for a message that kills workers; a restart loop during an outage must not reach it.
pub(crate) const DELIVERY_LIMIT: i64 = 200;
/// Looking at a dead letter counts as a delivery; RabbitMQ 4 would drop it after 20.
const DEAD_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// One queue and the arguments it is declared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// Which queue.
    pub place: Place,
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

/// Every queue, with dead-letter targets before those that need them.
pub fn topology() -> Vec<QueueSpec> {
    Place::all().map(|place| QueueSpec { place, arguments: arguments(place) }).collect()
}

fn arguments(place: Place) -> Vec<(&'static str, Argument)> {
    let mut arguments = vec![
        ("x-queue-type", Argument::Text("quorum")),
        ("x-overflow", Argument::Text("reject-publish")),
        ("x-message-ttl", ttl(place)),
    ];
    match place {
        Place::Class(_) => {
            arguments.push(("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)));
            arguments.extend(dead_lettering(Place::Dead));
        }
        Place::Retry(class, _) => arguments.extend(dead_lettering(Place::Class(class))),
        Place::Dead => arguments.push(("x-delivery-limit", Argument::Number(DEAD_DELIVERY_LIMIT))),
    }
    arguments
}

fn ttl(place: Place) -> Argument {
    let kept = match place {
        Place::Class(_) => CLASS_TTL,
        Place::Retry(_, tier) => tier.delay(),
        Place::Dead => DEAD_TTL,
    };
    Argument::Number(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
}

/// At-least-once needs a quorum source, `reject-publish` and a target that is there: all three are.
fn dead_lettering(target: Place) -> [(&'static str, Argument); 3] {
    [
        ("x-dead-letter-exchange", Argument::Text("")),
        ("x-dead-letter-routing-key", Argument::Text(target.queue())),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
    ]
}

#[cfg(test)]
mod tests {
    use event::Class;

    use super::*;
    use crate::Tier;

    #[test]
    fn every_queue_that_rests_personal_data_has_a_time_limit() {
        for spec in topology() {
            assert!(spec.arguments.iter().any(|(name, _)| *name == "x-message-ttl"), "{}", spec.place.queue());
        }
    }

    #[test]
    fn a_retry_queue_hands_back_to_its_own_class_and_drops_nothing() {
        let retry = topology().into_iter().find(|spec| spec.place == Place::Retry(Class::Updates, Tier::TenSeconds));
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
