//! The systems outside the process that a delivery needs: DSK, the channel store and the queue.

use channels::ChannelStore;
use chassis::Shutdown;
use queue::Publisher;

use crate::attempt::Attempts;
use crate::lookups::Lookups;
use crate::metrics::Metrics;

/// What work is done with.
#[derive(Debug)]
pub(crate) struct Systems {
    pub(crate) attempts: Attempts,
    pub(crate) lookups: Lookups,
    pub(crate) store: ChannelStore,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
}
