//! What the console's pages share: the queue, the channel store, the key ring and the stop signal.

use ::channels::{ChannelStore, KeyRing};
use chassis::Shutdown;
use queue::Queue;

use super::dead_letters::reader::Reader;
use super::directory::Directory;
use super::entrance::Entrance;
use super::erasures::request::Requests;
use super::reach::Reach;
use super::tools::{Tools, no_key_ring};
use super::work::Desk;
use crate::failure::Failure;

/// What the console works on. Whoever starts it has opened these.
pub(crate) struct ConsoleParts {
    pub(crate) queue: Queue,
    pub(crate) store: ChannelStore,
    /// Without it, what seals or opens is left to the command line.
    pub(crate) key_ring: Option<KeyRing>,
    pub(crate) tools: Tools,
}

/// What every page gets.
pub(crate) struct ConsoleState {
    pub(crate) queue: Queue,
    pub(crate) store: ChannelStore,
    key_ring: Option<KeyRing>,
    pub(crate) tools: Tools,
    /// A task of a page is spawned here; a stream ends when a stop is requested.
    pub(crate) shutdown: Shutdown,
    pub(crate) entrance: Entrance,
    pub(crate) reach: Reach,
    /// What is under way.
    pub(crate) desk: Desk,
    pub(crate) reader: Reader,
    pub(crate) directory: Directory,
    pub(crate) erasures: Requests,
}

impl ConsoleState {
    pub(crate) fn new(parts: ConsoleParts, reach: Reach, shutdown: Shutdown) -> Self {
        let ConsoleParts { queue, store, key_ring, tools } = parts;
        Self {
            queue,
            store,
            key_ring,
            tools,
            shutdown,
            entrance: Entrance::new(),
            reach,
            desk: Desk::default(),
            reader: Reader::default(),
            directory: Directory::default(),
            erasures: Requests::default(),
        }
    }

    /// The key ring, for what seals or opens.
    pub(crate) fn key_ring(&self) -> Result<&KeyRing, Failure> {
        self.key_ring.as_ref().ok_or_else(no_key_ring)
    }
}
