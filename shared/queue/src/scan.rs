//! Scanning the dead letters: they are read one after the other under a lock, and stay unless they are removed.

use crate::amqp::AmqpScan;
use crate::dead_letter::DeadLetter;
use crate::embedded::EmbeddedScan;
use crate::error::QueueError;

/// Reads the dead letters that existed when the scan began, oldest first. There is one scan at a time: it holds a lock,
/// which ends with its process.
///
/// [`Self::finish`] gives back every dead letter that was not removed. The same happens when the process dies.
#[derive(Debug)]
pub struct DeadLetterScan {
    back_end: ScanBackEnd,
}

#[derive(Debug)]
enum ScanBackEnd {
    Amqp(Box<AmqpScan>),
    Embedded(EmbeddedScan),
}

impl From<AmqpScan> for DeadLetterScan {
    fn from(scan: AmqpScan) -> Self {
        Self { back_end: ScanBackEnd::Amqp(Box::new(scan)) }
    }
}

impl From<EmbeddedScan> for DeadLetterScan {
    fn from(scan: EmbeddedScan) -> Self {
        Self { back_end: ScanBackEnd::Embedded(scan) }
    }
}

impl DeadLetterScan {
    /// The next dead letter; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        match &mut self.back_end {
            ScanBackEnd::Amqp(scan) => scan.next().await,
            ScanBackEnd::Embedded(scan) => scan.next().await,
        }
    }

    /// Removes dead letters from the queue: only when a copy of each is confirmed, or a person wants them gone.
    pub async fn remove(&mut self, letters: Vec<DeadLetter>) -> Result<(), QueueError> {
        let tags = letters.into_iter().map(|letter| letter.tag).collect();
        match &mut self.back_end {
            ScanBackEnd::Amqp(scan) => scan.remove(tags).await,
            ScanBackEnd::Embedded(scan) => {
                scan.remove(tags).await;
                Ok(())
            }
        }
    }

    /// Gives back every dead letter that was read and not removed, in the old order.
    pub async fn finish(self) -> Result<(), QueueError> {
        match self.back_end {
            ScanBackEnd::Amqp(scan) => scan.finish().await,
            ScanBackEnd::Embedded(scan) => scan.finish().await,
        }
    }
}
