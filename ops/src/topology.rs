//! `ops topology`: declares the queues, or checks that they are as this version declares them.

use clap::Args;
use queue::Queue;

use crate::cli::Failed;
use crate::open::QueueAt;

/// Declares every queue that is missing, checks those that are there, and shows how many envelopes wait in each.
#[derive(Args, Debug)]
pub(crate) struct Topology {
    #[command(flatten)]
    queue: QueueAt,
}

impl Topology {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        self.queue.with(async |queue, _| show(&queue).await).await
    }
}

async fn show(queue: &Queue) -> Result<(), Failed> {
    if let Some(trouble) = queue.trouble() {
        return Err(Failed::tried(format!("{trouble}: start it, or correct QUEUE_URL")));
    }
    println!("{:<28} {:>10}", "queue", "waiting");
    for (place, envelopes) in queue.depths().await? {
        println!("{:<28} {envelopes:>10}", place.as_str());
    }
    println!("All queues are there, with the arguments that this version declares.");
    Ok(())
}
