//! Makes queues again that are gone, one at a time on a connection: however many publishes find a queue missing, they need
//! one AMQP channel beside their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lapin::Connection;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use super::call::{CALL_TIME, CallError, open_channel};
use super::declare::{close, declare_on, is_missing, put_exchange_before, refusal, state};
use super::link::BrokerLink;
use crate::broker_queue::BrokerQueue;
use crate::error::QueueError;
use crate::topology::spec;

/// Counts for each queue how often it had to be made again. A session that takes from a queue which was remade has to end,
/// and no other.
pub(super) type Remade = watch::Sender<BTreeMap<BrokerQueue, u64>>;

/// Makes a queue again if it is gone, or what is in front of it. Returns whether the queue was.
pub(super) async fn remake(
    link: &BrokerLink,
    connection: &Arc<Connection>,
    queue: BrokerQueue,
    remade: &Remade,
) -> Result<bool, QueueError> {
    let Ok(mut turn) = timeout(CALL_TIME, link.remake_turn.wait()).await else {
        return Err(QueueError::Away("another queue is being made again".to_owned()));
    };
    if let Some(error) = turn.lately_failed(queue) {
        return Err(error);
    }
    let is_made = remake_now(link, connection, queue).await;
    match &is_made {
        Ok(was_gone) => {
            if *was_gone {
                remade.send_modify(|counts| *counts.entry(queue).or_default() += 1);
            }
        }
        Err(error) => turn.failed(queue, error.clone()),
    }
    is_made
}

/// Makes these queues again if they are gone. What can't be made is logged; the next publish into it finds that out again.
pub(super) async fn remake_all(
    link: &BrokerLink,
    connection: &Arc<Connection>,
    queues: BTreeSet<BrokerQueue>,
    remade: &Remade,
) {
    for queue in queues {
        if let Err(error) = remake(link, connection, queue, remade).await {
            warn!(queue = queue.as_str(), "Could not make the queue {} again: {error}", queue.as_str());
        }
    }
}

/// Whoever has the turn does this. No AMQP channel of it is left when it ends: the broker closes one on which it refuses, and
/// one on which it does not answer ends with its connection, as does one that can't be opened.
async fn remake_now(link: &BrokerLink, connection: &Arc<Connection>, queue: BrokerQueue) -> Result<bool, QueueError> {
    let end = |error: CallError| {
        if error.ends_connection() {
            link.give_up(connection);
        }
        refusal(error, queue)
    };
    let channel = open_channel(connection).await.map_err(end)?;
    match state(&channel, queue).await {
        Ok(_) => {
            if spec(queue).has_exchange {
                put_exchange_before(&channel, queue.as_str()).await.map_err(end)?;
            }
            close(channel).await;
            return Ok(false);
        }
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(end(error)),
    }
    let channel = open_channel(connection).await.map_err(end)?;
    declare_on(&channel, &spec(queue)).await.map_err(end)?;
    close(channel).await;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use chassis::{Secret, Shutdown};
    use event::Class;
    use futures_util::future::join_all;
    use prometheus::Registry;
    use testkit::{RabbitMq, as_process, eventually};

    use super::super::link_state::{Declaring, Purpose};
    use super::super::presence::Presence;
    use super::*;
    use crate::metrics::{Metrics, Side};
    use crate::partition::Partition;

    const QUEUE: BrokerQueue = BrokerQueue::Partition(Class::Updates, Partition::FIRST);
    /// As many as there are publishing tasks.
    const TASKS: usize = 12;
    const TASKS_MAX: u16 = 14;
    const CHANNELS_MAX: u16 = 5;

    struct Rig {
        link: BrokerLink,
        connection: Arc<Connection>,
        remade: Remade,
        shutdown: Shutdown,
    }

    impl Rig {
        async fn of(url: String) -> Self {
            let shutdown = Shutdown::default();
            let metrics = Metrics::register(&Registry::new()).unwrap();
            let purpose = Purpose::Publish { channels: 1, declaring: Declaring::Missing };
            let link = BrokerLink::start(Secret::new(url), purpose, Presence::new(Side::Publish, metrics), &shutdown);
            let connection = eventually("it is connected", async || link.current()).await;
            Self { link, connection, remade: Remade::default(), shutdown }
        }

        /// What all tasks find that look for the queue at once.
        async fn all_remake(&self) -> Vec<Result<bool, QueueError>> {
            join_all((0..TASKS).map(|_| remake(&self.link, &self.connection, QUEUE, &self.remade))).await
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn however_many_publishes_find_a_queue_missing_one_makes_it_again_and_needs_one_amqp_channel() {
        let broker = RabbitMq::start().await;
        let vhost = broker.vhost();
        let declared = Rig::of(vhost.url()).await;
        // Enough for all if each needs one and no number is used twice. All at once would need two for each.
        broker.limit_channels(TASKS_MAX).await;
        let rig = Rig::of(vhost.url()).await;

        vhost.delete_queue(QUEUE.as_str()).await;

        let found: Vec<bool> = rig.all_remake().await.into_iter().collect::<Result<_, _>>().unwrap();

        assert_eq!(found.iter().filter(|was_gone| **was_gone).count(), 1, "{found:?}");
        assert_eq!(rig.remade.borrow().get(&QUEUE), Some(&1));
        [declared, rig].into_iter().for_each(|rig| rig.shutdown.request());
    }

    /// lapin does not use the number of an AMQP channel again that the broker has closed for an error.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_queue_is_made_again_even_if_it_was_missing_more_often_than_there_may_be_amqp_channels() {
        let broker = RabbitMq::start().await;
        let vhost = broker.vhost();
        let declared = Rig::of(vhost.url()).await;
        broker.limit_channels(CHANNELS_MAX).await;
        let rig = Rig::of(vhost.url()).await;

        for times in 1..=u64::from(CHANNELS_MAX) + 2 {
            vhost.delete_queue(QUEUE.as_str()).await;
            eventually("the queue is made again", async || {
                let connection = rig.link.current()?;
                remake(&rig.link, &connection, QUEUE, &rig.remade).await.ok()
            })
            .await;
            assert!(rig.remade.borrow().get(&QUEUE) <= Some(&times));
        }
        [declared, rig].into_iter().for_each(|rig| rig.shutdown.request());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_queue_that_can_not_be_made_is_asked_for_once_a_second_however_many_publishes_want_it() {
        let broker = RabbitMq::start().await;
        let vhost = broker.vhost();
        let declared = Rig::of(vhost.url()).await;
        let rig = Rig::of(as_process(&vhost.url(), "ingest")).await;
        vhost.delete_queue(QUEUE.as_str()).await;

        let answers = rig.all_remake().await;
        let asked_at = async || rig.link.remake_turn.wait().await.failed_at(QUEUE);
        let first = asked_at().await;
        rig.all_remake().await;

        let is_refused = |answer: &Result<bool, QueueError>| matches!(answer, Err(QueueError::Undeclared { .. }));
        assert!(answers.iter().all(is_refused), "{answers:?}");
        assert!(first.is_some() && asked_at().await == first, "the broker was asked again");
        [declared, rig].into_iter().for_each(|rig| rig.shutdown.request());
    }
}
