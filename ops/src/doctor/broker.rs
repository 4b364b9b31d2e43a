//! Whether each node of the broker can be reached, and is new enough.

use queue::{Broker, BrokerNode, QueueSettings};

use super::findings::Findings;

/// Asks the broker at every address of `QUEUE_URL`. Runs before the check of the queues, because a broker that is too old may
/// refuse them.
pub(super) async fn check(settings: &QueueSettings, findings: &mut Findings) {
    // The queue is in files, or the settings are wrong. The check of the queues reports the latter.
    let Ok(nodes) = Broker::ask(settings).await else { return };
    let is_cluster = nodes.len() > 1;
    for BrokerNode { address, broker } in nodes {
        let place = if is_cluster { format!(" at {address}") } else { String::new() };
        match broker {
            Ok(broker) => {
                let name = format!("{} {}", broker.product, broker.version);
                match broker.trouble() {
                    None => findings.ok("queue", format!("{name}{place} is reached")),
                    Some(trouble) => {
                        let next_step = "upgrade it (runbook, \"Upgrading RabbitMQ\"), or give QUEUE_URL a newer one";
                        findings.wrong("queue", format!("{name}{place}: {trouble}"), next_step);
                    }
                }
            }
            Err(error) if is_cluster => {
                let next_step = "start this node, or correct its address (runbook, \"A node of a RabbitMQ cluster\")";
                findings.wrong("queue", format!("the node{place} can't be reached ({error})"), next_step);
            }
            // The check of the queues reports a broker that has no other node.
            Err(_) => {}
        }
    }
}
