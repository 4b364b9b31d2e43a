//! Does to all partitions of a class what a test does to one queue.

use event::Class;
use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};
use queue::BrokerQueue;
use testkit::{Vhost, eventually};

/// Deletes them.
pub(crate) async fn delete_all(vhost: &Vhost<'_>, class: Class) {
    let connection = Connection::connect(&vhost.url(), ConnectionProperties::default()).await.expect("it connects");
    for queue in BrokerQueue::of_class(class) {
        // A quorum queue that has just been declared may not have a leader yet.
        eventually("the queue is deleted", async || {
            let channel = connection.create_channel().await.ok()?;
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.ok()
        })
        .await;
    }
    connection.close(200, "done".into()).await.ok();
}

/// How many messages they hold, in flight or not.
pub(crate) async fn held_in_all(vhost: &Vhost<'_>, class: Class) -> u64 {
    vhost.held_in(BrokerQueue::of_class(class).map(BrokerQueue::as_str)).await
}
