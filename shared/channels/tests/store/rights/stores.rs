//! Where the stores come from that sequences are played against.

use channels::{ChannelStore, ChannelsSettings};
use tempfile::TempDir;
use testkit::Redis;

use crate::support::open;

/// Where empty stores of one kind come from.
pub(crate) enum Stores<'a> {
    Files(Vec<TempDir>),
    Redis(&'a Redis),
}

impl Stores<'static> {
    pub(crate) fn in_files() -> Self {
        Self::Files(Vec::new())
    }
}

impl<'a> Stores<'a> {
    pub(crate) fn in_redis(redis: &'a Redis) -> Self {
        Self::Redis(redis)
    }

    pub(super) fn open_empty(&mut self) -> ChannelStore {
        match self {
            Self::Redis(redis) => open(&ChannelsSettings::at(redis.url(), &redis.prefix())),
            Self::Files(folders) => {
                let folder = tempfile::tempdir().unwrap();
                let store = open(&ChannelsSettings::embedded(folder.path()));
                folders.push(folder);
                store
            }
        }
    }
}
