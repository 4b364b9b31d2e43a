//! Shows how many envelopes wait in each queue, and in how many partitions nobody takes them. One that can't be read shows so, and holds up no other.

use std::collections::{BTreeMap, BTreeSet};

use chassis::Shutdown;
use event::Class;
use lapin::{Connection, Queue};
use tracing::{debug, info, warn};

use super::declare;
use super::link::BrokerLink;
use crate::broker_queue::BrokerQueue;
use crate::error::QueueError;
use crate::metrics::{ClassLabel, DEPTHS_PERIOD, Metrics};
use crate::queue_name::QueueName;

/// What the broker said of each queue that could be read.
type States = BTreeMap<BrokerQueue, State>;

/// What the broker says of a queue.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Those that wait.
    messages: u32,
    consumers: u32,
}

impl From<Queue> for State {
    fn from(queue: Queue) -> Self {
        Self { messages: queue.message_count(), consumers: queue.consumer_count() }
    }
}

/// Reads the depths again and again until the process stops.
pub(super) async fn watch(link: BrokerLink, metrics: Metrics, shutdown: Shutdown) {
    let mut unreadable = BTreeSet::new();
    loop {
        match link.current() {
            Some(connection) => {
                let is_useless = read(&connection, &metrics, &mut unreadable).await;
                if is_useless {
                    // Its AMQP channels wait for an answer, and would become more and more, or none can be opened.
                    link.give_up(&connection);
                }
            }
            None => QueueName::ALL.into_iter().for_each(|name| metrics.depth_unreadable.set(name, true)),
        }
        if !shutdown.pause(DEPTHS_PERIOD).await {
            return;
        }
    }
}

/// How many envelopes wait in each queue, all of its partitions together. Those in flight do not count.
pub(super) async fn all(connection: &Connection) -> Result<Vec<(QueueName, u64)>, QueueError> {
    let mut states = BTreeMap::new();
    let mut open = None;
    for queue in BrokerQueue::all() {
        let state = declare::state_on_open(connection, &mut open, queue).await;
        states.insert(queue, state.map_err(|error| declare::refusal(error, queue))?.into());
    }
    if let Some(channel) = open {
        declare::close(channel).await;
    }
    Ok(QueueName::ALL.map(|name| (name, depth(name, &states).unwrap_or_default())).into())
}

/// Reads every depth. Returns whether only a new connection can answer.
async fn read(connection: &Connection, metrics: &Metrics, unreadable: &mut BTreeSet<BrokerQueue>) -> bool {
    let mut is_useless = false;
    let mut states = BTreeMap::new();
    let mut open = None;
    for queue in BrokerQueue::all() {
        let name = queue.as_str();
        match declare::state_on_open(connection, &mut open, queue).await {
            Ok(state) => {
                if unreadable.remove(&queue) {
                    info!(queue = name, "The depth of {name} can be read again");
                }
                states.insert(queue, state.into());
            }
            Err(error) => {
                is_useless |= error.ends_connection();
                // Whoever publishes into a queue that does not exist says so, and once for all of them.
                let is_news = unreadable.insert(queue);
                if is_news && declare::is_missing(&error) {
                    debug!(queue = name, "There is no queue {name}");
                } else if is_news {
                    warn!(queue = name, "Can't read the depth of {name}: {error}");
                }
            }
        }
    }
    if let Some(channel) = open {
        declare::close(channel).await;
    }
    show(metrics, &states);
    is_useless
}

/// Shows what was read.
fn show(metrics: &Metrics, states: &States) {
    for name in QueueName::ALL {
        let depth = depth(name, states);
        metrics.depth_unreadable.set(name, depth.is_none());
        if let Some(depth) = depth {
            metrics.depth.set(name, depth);
        }
    }
    for class in Class::ALL {
        metrics.unconsumed.set(ClassLabel(class), unconsumed(class, states));
    }
}

/// How many envelopes wait in a queue, all of its partitions together; `None` if one of them could not be read.
fn depth(name: QueueName, states: &States) -> Option<u64> {
    let parts = BrokerQueue::all().into_iter().filter(|queue| queue.name() == name);
    parts.map(|queue| states.get(&queue).map(|state| u64::from(state.messages))).sum()
}

/// In how many partitions of a class envelopes wait that nobody takes. (The broker counts dispatchers that stand by as
/// consumers, too, so that a partition whose active consumer does nothing is not among them.)
fn unconsumed(class: Class, states: &States) -> usize {
    let of_class = BrokerQueue::of_class(class).filter_map(|queue| states.get(&queue));
    of_class.filter(|state| state.messages > 0 && state.consumers == 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue_name::Tier;

    fn states(of_each: impl Fn(BrokerQueue) -> Option<[u32; 2]>) -> States {
        let read = |queue: BrokerQueue| {
            let [messages, consumers] = of_each(queue)?;
            Some((queue, State { messages, consumers }))
        };
        BrokerQueue::all().into_iter().filter_map(read).collect()
    }

    #[test]
    fn the_depth_of_a_class_is_that_of_its_partitions_and_unknown_if_one_of_them_is() {
        let messages = QueueName::Class(Class::Messages);
        let lost = BrokerQueue::of_class(Class::Messages).last();

        assert_eq!(depth(messages, &states(|_| Some([2, 1]))), Some(32));
        assert_eq!(depth(QueueName::Retry(Class::Updates, Tier::OneHour), &states(|_| Some([2, 0]))), Some(2));
        assert_eq!(depth(messages, &states(|queue| (Some(queue) != lost).then_some([2, 1]))), None);
    }

    #[test]
    fn a_partition_is_unconsumed_if_envelopes_wait_in_it_and_nobody_takes() {
        let first = BrokerQueue::of_class(Class::Updates).next();
        let count = |of_first: [u32; 2]| {
            let states = states(|queue| Some(if Some(queue) == first { of_first } else { [7, 3] }));
            Class::ALL.map(|class| unconsumed(class, &states))
        };

        assert_eq!(count([1, 0]), [0, 1]);
        assert_eq!(count([0, 0]), [0, 0], "nothing waits in it");
        assert_eq!(count([1, 1]), [0, 0]);
    }
}
