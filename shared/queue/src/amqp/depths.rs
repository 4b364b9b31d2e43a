//! Shows how many envelopes wait in each queue. One that can't be read shows so, and holds up no other.

use chassis::Shutdown;
use lapin::Connection;
use tracing::{info, warn};

use super::declare;
use super::link::BrokerLink;
use crate::metrics::{DEPTHS_PERIOD, Metrics};
use crate::queue_name::QueueName;

/// Reads the depths again and again until the process stops.
pub(super) async fn watch(link: BrokerLink, metrics: Metrics, shutdown: Shutdown) {
    let mut unreadable = Vec::new();
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
async fn read(connection: &Connection, metrics: &Metrics, unreadable: &mut Vec<QueueName>) -> bool {
    let mut has_timed_out = false;
    for name in QueueName::ALL {
        let queue = name.as_str();
        let was_unreadable = unreadable.contains(&name);
        let depth = declare::depth(connection, name).await;
        metrics.depth_unreadable.set(name, depth.is_err());
        match depth {
            Ok(depth) => {
                metrics.depth.set(name, depth);
                if was_unreadable {
                    info!(queue, "The depth of {queue} can be read again");
                    unreadable.retain(|unreadable| *unreadable != name);
                }
            }
            Err(error) => {
                has_timed_out |= error.is_time_out();
                if !was_unreadable {
                    warn!(queue, "Can't read the depth of {queue}: {error}");
                    unreadable.push(name);
                }
            }
        }
    }
    has_timed_out
}
