//! `ops console`: pages in a browser for whoever may run `ops`, served to this machine only unless told otherwise.

mod app;
mod assets;
mod channels;
mod dead_letters;
mod directory;
mod entrance;
mod erasures;
mod find;
mod forms;
mod guard;
mod layout;
mod live;
mod overview;
mod page_error;
mod reach;
mod refusal;
mod settings;
mod shell;
mod state;
mod times;
mod tools;
mod work;
mod work_card;

use std::process::ExitCode;
use std::time::Duration;

use ::channels::{ChannelStore, ChannelsSettings, KeyRingSettings};
use chassis::{Problem, Problems, Shutdown, TelemetrySettings};
use clap::Args;
use prometheus::Registry;
use queue::{Queue, QueueSettings};

use crate::open;
use crate::output::outln;
pub(crate) use app::ConsoleServer;
pub(crate) use overview::settings::OverviewSettings;
pub(crate) use settings::ConsoleSettings;
pub(crate) use state::ConsoleParts;
pub(crate) use tools::{ToolSettings, Tools};

/// How long work under way, such as a replay, may take to come to a good end after a stop.
const GRACE: Duration = Duration::from_secs(25);

/// Serves the operator's pages until Ctrl-C: what is wrong, where an event is, dead letters, channels, erasures. Its
/// settings are those of the other commands. The address that it prints opens the pages once.
#[derive(Args, Debug)]
pub(crate) struct Console {
    #[command(flatten)]
    address: ConsoleSettings,
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    channels: ChannelsSettings,
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    tools: ToolSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Console {
    pub(crate) async fn run(self) -> ExitCode {
        chassis::run(&self.telemetry, GRACE, async |shutdown| self.start(&shutdown).await).await
    }

    async fn start(&self, shutdown: &Shutdown) -> Result<(), Problems> {
        let mut problems = Problems::default();
        problems.collect(self.address.check());
        problems.collect(self.queue.check());
        problems.finish()?;
        let registry = Registry::new();
        let metrics = ::channels::Metrics::register(&registry).map_err(Problem::from)?;
        let key_ring = open::key_ring_if_given(&self.key_ring, &metrics)?;
        let mut store = ChannelStore::open(&self.channels, metrics, shutdown)?;
        if let Some(ring) = &key_ring {
            store = store.with_key_ring(ring);
        }
        let metrics = queue::Metrics::register(&registry).map_err(Problem::from)?;
        let queue = Queue::open(&self.queue, metrics, shutdown).await.map_err(Problem::from)?;
        let tools = Tools::new(&self.tools, &store, key_ring.as_ref());
        let parts = ConsoleParts { queue, store, key_ring, tools };
        let server = ConsoleServer::start(&self.address, parts, shutdown).await?;
        // Whoever reads the output has gone, and with it the only way in.
        if outln!("Open the console, once, at {}", server.link.expose()).is_err() {
            shutdown.request();
        }
        Ok(())
    }
}
