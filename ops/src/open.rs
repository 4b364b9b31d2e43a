//! Opens the queue or the channel store for one command, and closes it when the command is done.

use std::time::Duration;

use ::channels::{ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, Metrics};
use chassis::{Problem, Shutdown};
use clap::Args;
use prometheus::Registry;
use queue::{Queue, QueueSettings};

use crate::failure::Failure;
use crate::logging::CommandLogging;
use crate::output::remark;

/// How long queue and store may take to finish what they were asked to do.
const FINISH_TIME: Duration = Duration::from_secs(5);

/// The queue that a command works on.
#[derive(Args, Debug)]
pub(crate) struct QueueAccess {
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    logging: CommandLogging,
}

/// The channel store that a command works on.
#[derive(Args, Debug)]
pub(crate) struct StoreAccess {
    #[command(flatten)]
    channels: ChannelsSettings,
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    logging: CommandLogging,
}

impl QueueAccess {
    /// Opens the queue, runs `work`, and lets the queue finish. A signal requests the stop that `work` is given.
    pub(crate) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(Queue, Shutdown) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.logging.start()?;
        self.queue.check().map_err(Failure::usage)?;
        let shutdown = Shutdown::on_signals()?;
        let metrics = queue::Metrics::register(&Registry::new())?;
        let queue = Queue::open(&self.queue, metrics, &shutdown).await?;
        let result = work(queue, shutdown.clone()).await;
        finish(&shutdown).await;
        result
    }
}

impl StoreAccess {
    /// Opens the store, runs `work`, and lets the store finish.
    pub(crate) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(ChannelStore) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.logging.start()?;
        let shutdown = Shutdown::default();
        let metrics = Metrics::register(&Registry::new())?;
        let store = ChannelStore::open(&self.channels, metrics.clone(), &shutdown).map_err(Failure::usage)?;
        let result = work(self.with_ring_if_given(store, &metrics)).await;
        finish(&shutdown).await;
        result
    }
}

impl StoreAccess {
    /// The key ring, for a command that seals or opens.
    pub(crate) fn key_ring(&self) -> Result<KeyRing, Failure> {
        KeyRing::load(&self.key_ring, &Metrics::register(&Registry::new())?).map_err(Failure::usage)
    }

    /// Many commands need no ring, and work without it; the store says so to those that do.
    fn with_ring_if_given(&self, store: ChannelStore, metrics: &Metrics) -> ChannelStore {
        match key_ring_if_given(&self.key_ring, metrics) {
            Ok(Some(ring)) => store.with_key_ring(&ring),
            Ok(None) => store,
            Err(problem) => {
                remark(format_args!("warning: the key ring is not used: {problem}"));
                store
            }
        }
    }
}

/// The key ring, where there is one.
pub(crate) fn key_ring_if_given(settings: &KeyRingSettings, metrics: &Metrics) -> Result<Option<KeyRing>, Problem> {
    if settings.key_ring.is_none() && settings.key_ring_file.is_none() {
        return Ok(None);
    }
    KeyRing::load(settings, metrics).map(Some)
}

/// The queue and the channel store, for a command that works on both.
#[derive(Args, Debug)]
pub(crate) struct SystemsAccess {
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    channels: ChannelsSettings,
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    logging: CommandLogging,
}

impl SystemsAccess {
    /// Opens both, runs `work`, and lets both finish. A signal requests the stop that `work` is given.
    pub(crate) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(Queue, ChannelStore, Shutdown) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_store(async |store| self.with_queue(async |queue, shutdown| work(queue, store, shutdown).await).await)
            .await
    }

    /// Opens the queue only.
    pub(crate) async fn with_queue<T>(
        &self,
        work: impl AsyncFnOnce(Queue, Shutdown) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        QueueAccess { queue: self.queue.clone(), logging: self.logging.clone() }.with(work).await
    }

    /// Opens the store only.
    pub(crate) async fn with_store<T>(
        &self,
        work: impl AsyncFnOnce(ChannelStore) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let store = StoreAccess {
            channels: self.channels.clone(),
            key_ring: self.key_ring.clone(),
            logging: self.logging.clone(),
        };
        store.with(work).await
    }
}

/// Closes what was opened, once it has written everything that it was given. A queue or store in files stays open while
/// anything holds it, so nothing may hold it here.
pub(crate) async fn finish(shutdown: &Shutdown) {
    shutdown.request();
    shutdown.drain(FINISH_TIME).await;
}
