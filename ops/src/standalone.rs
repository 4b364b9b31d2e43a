//! `ops standalone`: ingest, dispatcher and connect in one process, on a queue and a channel store in files, for one
//! business on one machine.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use ::channels::{Allowance, ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings};
use chassis::{Admin, Problem, Problems, Readiness, Secret, Shutdown, TelemetrySettings};
use clap::Args;
use connect::{Connect, ConnectSettings};
use dispatcher::{Dispatcher, DispatcherParts, DispatcherSettings};
use ingest::{Ingest, IngestSettings};
use prometheus::Registry;
use queue::{Queue, QueueSettings};
use url::Url;

use crate::console::{ConsoleParts, ConsoleServer, ConsoleSettings, OverviewSettings, ToolSettings, Tools};
use crate::output::outln;

/// Runs ingest and dispatcher, and connect if its settings are given, in one process for one business on one machine.
/// Queue and channel store are files: `QUEUE_URL` and `CHANNELS_URL` are both `embedded:DIR`. Settings, metrics and the
/// other commands are the same as with servers.
#[derive(Args, Clone, Debug)]
pub struct Standalone {
    /// How notifications are taken.
    #[command(flatten)]
    pub(crate) ingest: IngestSettings,
    /// How events are delivered.
    #[command(flatten)]
    pub(crate) dispatcher: DispatcherSettings,
    /// How channels are connected.
    #[command(flatten)]
    pub(crate) connect: ConnectSettings,
    /// Where `/metrics`, `/live` and `/ready` are served.
    #[arg(long, env, default_value = "127.0.0.1:9401")]
    pub(crate) admin_listen: SocketAddr,
    /// Where the operator's console is served, such as 127.0.0.1:9400; without it, it is not. The link that opens it once
    /// is printed at the start; `ops console` serves it beside a process that already runs.
    #[arg(long, env)]
    pub(crate) console_listen: Option<SocketAddr>,
    /// The address by which browsers on other machines reach the console. Without it only this machine is served.
    #[arg(long, env)]
    pub(crate) console_exposed_as: Option<Url>,
    #[command(flatten)]
    pub(crate) queue: QueueSettings,
    #[command(flatten)]
    pub(crate) channels: ChannelsSettings,
    #[command(flatten)]
    pub(crate) key_ring: KeyRingSettings,
    #[command(flatten)]
    pub(crate) telemetry: TelemetrySettings,
}

/// Addresses and handles of the running service. Queue and store stay open as long as it exists.
pub(crate) struct StandaloneHandle {
    pub(crate) ingest: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Opens the console, once, where it is served.
    pub(crate) console: Option<Secret>,
    pub(crate) queue: Queue,
    pub(crate) store: ChannelStore,
}

impl Standalone {
    /// Runs until a signal requests a stop. The exit codes are those of the processes.
    pub(crate) async fn run(self) -> ExitCode {
        chassis::run(&self.telemetry, dispatcher::Settings::GRACE, async |shutdown| {
            if let Some(link) = self.start(&shutdown).await?.console {
                // If nobody reads it, the service runs all the same.
                outln!("Open the console, once, at {}", link.expose()).ok();
            }
            Ok::<_, Problems>(())
        })
        .await
    }

    /// Starts everything. It runs until the stop.
    pub(crate) async fn start(&self, shutdown: &Shutdown) -> Result<StandaloneHandle, Problems> {
        let registry = Registry::new();
        let channel_metrics = ::channels::Metrics::register(&registry).map_err(Problem::from)?;
        let mut problems = Problems::default();
        problems.collect(self.ingest.check());
        problems.collect(self.dispatcher.check());
        let connect = self
            .connect
            .is_given()
            .then(|| problems.collect(self.connect.check(&self.ingest.trusted_proxies)))
            .flatten();
        problems.collect(self.console().map_or(Ok(()), |console| console.check()));
        problems.collect(self.queue.check_embedded());
        problems.collect(self.channels.check_embedded());
        let key_ring = problems.collect(KeyRing::load(&self.key_ring, &channel_metrics));
        problems.finish()?;
        let key_ring = key_ring.expect("a key ring that can't be loaded is a problem, and `finish` returned none");

        let store = ChannelStore::open(&self.channels, channel_metrics, shutdown)?.with_key_ring(&key_ring);
        let metrics = queue::Metrics::register(&registry).map_err(Problem::from)?;
        let queue = Queue::open(&self.queue, metrics, shutdown).await.map_err(Problem::from)?;
        // The dispatcher comes first, because it takes the folder's lock and fails if another process has it.
        let metrics = dispatcher::Metrics::register(&registry).map_err(Problem::from)?;
        let parts = DispatcherParts { queue: queue.clone(), store: store.clone(), key_ring: key_ring.clone(), metrics };
        Dispatcher::start(&self.dispatcher, parts, shutdown)?;
        let metrics = ingest::Metrics::register(&registry).map_err(Problem::from)?;
        let ingest = Ingest::start(&self.ingest, queue.publisher(), metrics, shutdown).await?.address;
        // Registered even if connect does not run, so that dashboards and alerts always find the same metrics.
        let metrics = connect::Metrics::register(&registry).map_err(Problem::from)?;
        if let Some(connect) = connect {
            let dispatcher = &self.dispatcher;
            let allowance = Allowance { http: dispatcher.dsk_allow_http, private: dispatcher.dsk_allow_private };
            Connect::start(connect.allowing(allowance), store.clone(), key_ring.clone(), metrics, shutdown).await?;
        }
        let readiness = readiness(queue.clone(), store.clone());
        let admin = Admin { registry, readiness }.start(self.admin_listen, shutdown).await?;
        let overview = OverviewSettings::own(admin);
        let console = self.start_console(overview, &queue, &store, &key_ring, shutdown).await?;
        Ok(StandaloneHandle { ingest, admin, console, queue, store })
    }

    /// Serves the console, if its address is given, and returns the link that opens it.
    async fn start_console(
        &self,
        overview: OverviewSettings,
        queue: &Queue,
        store: &ChannelStore,
        key_ring: &KeyRing,
        shutdown: &Shutdown,
    ) -> Result<Option<Secret>, Problem> {
        let Some(settings) = self.console() else { return Ok(None) };
        let settings = ConsoleSettings { overview, ..settings };
        let connect = &self.connect;
        let tools = ToolSettings {
            meta: connect.meta.clone(),
            connect_url: connect.connect_url.clone(),
            connect_secret: connect.connect_secret.clone(),
            connect_secret_file: connect.connect_secret_file.clone(),
            ticket_time: connect.ticket_time,
        };
        let parts = ConsoleParts {
            queue: queue.clone(),
            store: store.clone(),
            key_ring: Some(key_ring.clone()),
            tools: Tools::new(&tools, store, Some(key_ring)),
        };
        Ok(Some(ConsoleServer::start(&settings, parts, shutdown).await?.link))
    }

    fn console(&self) -> Option<ConsoleSettings> {
        let console_exposed_as = self.console_exposed_as.clone();
        self.console_listen.map(|console_listen| ConsoleSettings {
            console_listen,
            console_exposed_as,
            overview: OverviewSettings::default(),
        })
    }
}

/// Not ready while a file can't be written, or is gone.
fn readiness(queue: Queue, store: ChannelStore) -> Readiness {
    Arc::new(move || {
        let store_trouble = (!store.is_connected()).then_some("channels.db can't be relied on: the log says why");
        queue.trouble().into_iter().chain(store_trouble).map(str::to_owned).collect()
    })
}
