//! What the console's pages share: the queue, the channel store, the key ring and the stop signal.

use ::channels::{ChannelStore, KeyRing};
use chassis::Shutdown;
use queue::Queue;

use super::entrance::Entrance;
use super::reach::Reach;

/// What the console works on. Whoever starts it has opened these.
pub(crate) struct ConsoleParts {
    pub(crate) queue: Queue,
    pub(crate) store: ChannelStore,
    /// Without it, what seals or opens is left to the command line.
    pub(crate) key_ring: Option<KeyRing>,
}

/// What every page gets.
pub(crate) struct ConsoleState {
    pub(crate) queue: Queue,
    pub(crate) store: ChannelStore,
    pub(crate) key_ring: Option<KeyRing>,
    /// A task of a page is spawned here; a stream ends when a stop is requested.
    pub(crate) shutdown: Shutdown,
    pub(crate) entrance: Entrance,
    pub(crate) reach: Reach,
}

impl ConsoleState {
    pub(crate) fn new(parts: ConsoleParts, reach: Reach, shutdown: Shutdown) -> Self {
        let ConsoleParts { queue, store, key_ring } = parts;
        Self { queue, store, key_ring, shutdown, entrance: Entrance::new(), reach }
    }
}
