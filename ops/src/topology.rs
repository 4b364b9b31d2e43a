//! `ops topology`: declares the queues, or checks that they are as this version declares them.

use clap::Args;
use queue::Queue;

use crate::failure::Failure;
use crate::open::QueueAccess;
use crate::output::outln;

/// Declares every queue that is missing, checks those that exist, and shows how many envelopes wait in each.
#[derive(Args, Debug)]
pub(crate) struct Topology {
    #[command(flatten)]
    queue: QueueAccess,
}

impl Topology {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.queue.with(async |queue, _| show(&queue).await).await
    }
}

async fn show(queue: &Queue) -> Result<(), Failure> {
    if let Some(trouble) = queue.trouble() {
        return Err(Failure::runtime(format!("{trouble}: start it, or correct QUEUE_URL")));
    }
    outln!("{:<28} {:>10}", "queue", "waiting")?;
    for (place, envelopes) in queue.depths().await? {
        outln!("{:<28} {envelopes:>10}", place.as_str())?;
    }
    outln!("All queues exist, with the arguments that this version declares.")
}
