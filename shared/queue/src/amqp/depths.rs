//! Shows how many envelopes wait in each queue. One that can't be read shows so, and holds up no other.

use std::collections::BTreeSet;

use chassis::Shutdown;
use lapin::Connection;
use tracing::{debug, info, warn};

use super::declare;
use super::link::BrokerLink;
use crate::broker_queue::BrokerQueue;
use crate::metrics::{DEPTHS_PERIOD, Metrics};
use crate::queue_name::QueueName;

/// Reads the depths again and again until the process stops.
pub(super) async fn watch(link: BrokerLink, metrics: Metrics, shutdown: Shutdown) {
    let mut unreadable = BTreeSet::new();
    loop {
        match link.current() {
            Some(connection) => {
                let has_timed_out = read(&connection, &metrics, &mut unreadable).await;
                if has_timed_out {
                    // Its AMQP channels wait for an answer, and would become more and more.
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

/// Reads every depth. Returns whether the broker left a question without an answer.
async fn read(connection: &Connection, metrics: &Metrics, unreadable: &mut BTreeSet<BrokerQueue>) -> bool {
    let mut has_timed_out = false;
    let mut open = None;
    for name in QueueName::ALL {
        let mut sum = Some(0);
        for queue in BrokerQueue::all().into_iter().filter(|queue| queue.name() == name) {
            let depth = declare::depth(connection, &mut open, queue).await;
            sum = sum.zip(depth.as_ref().ok()).map(|(sum, depth)| sum + depth);
            let queue_name = queue.as_str();
            match depth {
                Ok(_) if unreadable.remove(&queue) => {
                    info!(queue = queue_name, "The depth of {queue_name} can be read again");
                }
                Ok(_) => {}
                Err(error) => {
                    has_timed_out |= error.is_time_out();
                    // Whoever publishes into a queue that does not exist says so, and once for all of them.
                    let is_news = unreadable.insert(queue);
                    if is_news && declare::is_missing(&error) {
                        debug!(queue = queue_name, "There is no queue {queue_name}");
                    } else if is_news {
                        warn!(queue = queue_name, "Can't read the depth of {queue_name}: {error}");
                    }
                }
            }
        }
        metrics.depth_unreadable.set(name, sum.is_none());
        if let Some(sum) = sum {
            metrics.depth.set(name, sum);
        }
    }
    if let Some(channel) = open {
        declare::close(channel).await;
    }
    has_timed_out
}
