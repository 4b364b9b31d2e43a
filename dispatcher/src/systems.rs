//! The systems outside the process that a delivery needs: DSK, the channel store and the queue.

use std::sync::Arc;

use channels::ChannelStore;
use chassis::Shutdown;
use queue::Publisher;

use crate::attempt::Attempts;
use crate::lookups::Lookups;
use crate::metrics::Metrics;
use crate::trails::Trails;

/// What work is done with.
#[derive(Debug)]
pub(crate) struct Systems {
    pub(crate) attempts: Attempts,
    pub(crate) lookups: Lookups,
    pub(crate) store: ChannelStore,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: Metrics,
    pub(crate) trails: Arc<Trails>,
    /// The name by which an operator finds this process.
    pub(crate) instance: String,
    pub(crate) shutdown: Shutdown,
}
