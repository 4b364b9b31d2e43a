//! `ops demo`: runs the whole service in one process and a folder of its own, with stand-ins for Meta and DSK. DSK fails
//! for some seconds, and at the end the ids that were sent are compared with those that arrived.

mod performance;
mod progress;
mod stage;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chassis::Shutdown;
use clap::Args;

use crate::failure::Failure;
use crate::logging::CommandLogging;
use crate::output::outln;
use performance::{Performance, Script};
use stage::Stage;

/// Shows the whole service at work: it makes keys and channels, sends signed notifications, and counts what is delivered.
#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {
    #[command(flatten)]
    script: Script,
    /// Runs on at the end, until Ctrl-C, and shows a curl line with which to send a notification.
    #[arg(long)]
    stay: bool,
    /// Keeps queue, channels and keys in this folder. Without it they are in a temporary folder, which is removed.
    #[arg(long)]
    keep: Option<PathBuf>,
    #[command(flatten)]
    logging: CommandLogging,
}

/// Any free port on this machine.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How long the tasks may take to finish at the end.
const GRACE: Duration = Duration::from_secs(30);

impl Demo {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.logging.start()?;
        let temporary = tempfile::Builder::new().prefix("meta-demo-").tempdir()?;
        let folder = self.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
        let shutdown = Shutdown::on_signals()?;
        let console = self.stay.then_some(ANY_PORT);
        let stage = Stage::build(folder, console, &shutdown).await?;
        let result = self.play(stage, &shutdown).await;
        shutdown.request();
        shutdown.drain(GRACE).await;
        result
    }

    /// Owns the stage, and with it a handle to the queue. The queue's writer ends when the last handle is gone, so none
    /// may be left when the drain begins.
    async fn play(self, stage: Stage, shutdown: &Shutdown) -> Result<(), Failure> {
        outln!("Ingest and dispatcher run in this process. Meta and DSK are stand-ins.")?;
        outln!("Queue, channels and key ring are files in {}", stage.folder.display())?;
        outln!("Metrics while the demonstration runs: http://{}/metrics", stage.admin)?;
        if let Some(link) = &stage.console {
            outln!("The console shows all of it in a browser. Open it, once, at {}", link.expose())?;
        }
        outln!()?;
        let mut performance = Performance::new(&stage, self.script, shutdown);
        performance.run().await?;
        let result = performance.reconcile().await;
        outln!()?;
        if self.stay && !shutdown.is_requested() {
            stage.dsk.behave(|dsk| dsk.refused_id = None);
            outln!("DSK now takes what it refused: replay it on the console's page of dead letters.")?;
            outln!("The service runs on until Ctrl-C. Send a notification of your own, and see it counted:")?;
            outln!("{}", stage.curl()?)?;
            let admin = stage.admin;
            outln!("curl -s http://{admin}/metrics | grep -E '^(ingest_notifications|dispatcher_attempts)_total'")?;
            shutdown.requested().await;
        } else {
            outln!(
                "Next: `cargo run --release -- demo --stay` runs on, with the console in a browser, and a curl line to try."
            )?;
            outln!("README.md has the same with RabbitMQ and Redis.")?;
        }
        result
    }
}
