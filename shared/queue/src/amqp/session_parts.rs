//! What a session works with, and why it ends.

use tokio::sync::oneshot;

use super::link::BrokerLink;
use super::remake::Remade;
use crate::broker_queue::BrokerQueue;
use crate::feed::Feed;
use crate::intake::Intake;

/// What a session works with, and what outlives it.
pub(super) struct SessionParts<'t> {
    pub(super) link: &'t BrokerLink,
    pub(super) feed: &'t mut Feed,
    pub(super) intake: &'t mut Intake,
    pub(super) remade: &'t Remade,
    /// The name of this process, by which the broker knows its consumers.
    pub(super) instance: &'t str,
}

impl SessionParts<'_> {
    /// The queue to take from.
    pub(super) fn queue(&self) -> BrokerQueue {
        BrokerQueue::Partition(self.feed.class, self.feed.partition)
    }
}

/// Why a session ends.
pub(super) enum SessionEnd {
    /// The connection, the AMQP channel or the consumer is gone.
    Lost,
    /// A new session is simpler than mending this one.
    Renew,
    /// Everything goes back, and a new session takes it again. The reply is the number of the new round: what belongs to
    /// an earlier one is ignored.
    GiveBack(oneshot::Sender<u64>),
    /// Everything goes back, and nothing more is taken.
    Finish(oneshot::Sender<()>),
    /// The taker was dropped without being finished, because the process is shutting down. The broker takes everything
    /// back when the connection ends.
    TakerGone,
}
