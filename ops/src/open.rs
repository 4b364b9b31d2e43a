//! What a command works on: opened for it, and closed in good order behind it.

use std::time::Duration;

use ::channels::{ChannelStore, ChannelsSettings, Metrics};
use chassis::{Shutdown, TelemetrySettings, start_telemetry};
use clap::Args;
use prometheus::Registry;
use queue::{Queue, QueueSettings};

use crate::cli::Failed;

/// How long queue and store may take to finish what they were asked.
const FINISH_TIME: Duration = Duration::from_secs(5);

/// The queue that a command works on.
#[derive(Args, Debug)]
pub(crate) struct QueueAt {
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

/// The channel store that a command works on.
#[derive(Args, Debug)]
pub(crate) struct StoreAt {
    #[command(flatten)]
    channels: ChannelsSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl QueueAt {
    /// Opens the queue, uses it, and lets it finish. A signal asks the command to stop.
    pub(crate) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(Queue, Shutdown) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        start_telemetry(&self.telemetry).map_err(Failed::wrong)?;
        self.queue.check().map_err(Failed::wrong)?;
        let shutdown = Shutdown::on_signals()?;
        let metrics = queue::Metrics::register(&Registry::new())?;
        let queue = Queue::open(&self.queue, metrics, &shutdown).await?;
        let done = work(queue, shutdown.clone()).await;
        finish(&shutdown).await;
        done
    }
}

impl StoreAt {
    /// Opens the store, uses it, and lets it finish.
    pub(crate) async fn with<T>(&self, work: impl AsyncFnOnce(ChannelStore) -> Result<T, Failed>) -> Result<T, Failed> {
        start_telemetry(&self.telemetry).map_err(Failed::wrong)?;
        let shutdown = Shutdown::default();
        let metrics = Metrics::register(&Registry::new())?;
        let store = ChannelStore::open(&self.channels, metrics, &shutdown).map_err(Failed::wrong)?;
        let done = work(store).await;
        finish(&shutdown).await;
        done
    }
}

/// Ends what was opened, once it has written what it was asked to.
pub(crate) async fn finish(shutdown: &Shutdown) {
    shutdown.request();
    shutdown.drain(FINISH_TIME).await;
}
