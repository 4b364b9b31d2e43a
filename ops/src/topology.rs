//! `ops topology`: declares the queues, or checks that they are as this version declares them.

use chassis::{Shutdown, TelemetrySettings, start_telemetry};
use clap::Args;
use prometheus::Registry;
use queue::{Queue, QueueSettings};

use crate::cli::Failed;

/// Declares every queue that is missing, checks those that are there, and shows how many envelopes wait in each.
#[derive(Args, Debug)]
pub(crate) struct Topology {
    #[command(flatten)]
    queue: QueueSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Topology {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        start_telemetry(&self.telemetry).map_err(Failed::wrong)?;
        self.queue.check().map_err(Failed::wrong)?;
        let shutdown = Shutdown::default();
        let metrics = queue::Metrics::register(&Registry::new())?;
        let queue = Queue::open(&self.queue, metrics, &shutdown).await?;
        if let Some(trouble) = queue.trouble() {
            return Err(Failed::tried(format!("{trouble}: start it, or correct QUEUE_URL")));
        }
        println!("{:<28} {:>10}", "queue", "waiting");
        for (place, envelopes) in queue.depths().await? {
            println!("{:<28} {envelopes:>10}", place.queue());
        }
        println!("All queues are there, with the arguments that this version declares.");
        shutdown.request();
        Ok(())
    }
}
