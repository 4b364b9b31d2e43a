//! What the queue and the channel store say now, read at most every few seconds, however many people look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::channels::ChannelStore;
use chassis::now;
use jiff::Timestamp;
use queue::Queue;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::status::reading::{self, Report, WaitingQueue};

/// How old what is shown may be.
const PERIOD: Duration = Duration::from_secs(4);
/// The same for the count of the channels, for which all records are read.
const CHANNELS_PERIOD: Duration = Duration::from_mins(1);
/// How long a person may have to wait for a page because a server is away.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// What queue and store say, or why they say nothing.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) queues: Result<Vec<WaitingQueue>, String>,
    pub(super) reports: Result<Vec<Report>, String>,
    pub(super) channels: Result<ChannelCounts, String>,
}

/// How many channels there are in each state.
pub(super) type ChannelCounts = BTreeMap<&'static str, usize>;

/// Reads the standing.
pub(super) struct Standings {
    queue: Queue,
    store: ChannelStore,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    standing: Option<Dated<Arc<Standing>>>,
    channels: Option<Dated<ChannelCounts>>,
}

struct Dated<T> {
    at: Timestamp,
    value: T,
}

impl<T: Clone> Dated<T> {
    fn if_younger(&self, age: Duration, now: Timestamp) -> Option<T> {
        (self.at > now - age).then(|| self.value.clone())
    }
}

impl Standings {
    pub(super) fn new(queue: Queue, store: ChannelStore) -> Self {
        Self { queue, store, known: Mutex::default() }
    }

    /// The standing. Who comes while it is read waits for the same answer.
    pub(super) async fn get(&self) -> Arc<Standing> {
        let mut known = self.known.lock().await;
        if let Some(standing) = known.standing.as_ref().and_then(|known| known.if_younger(PERIOD, now())) {
            return standing;
        }
        let counted = known.channels.as_ref().and_then(|known| known.if_younger(CHANNELS_PERIOD, now()));
        let reports = async { Ok::<_, Failure>(Report::all(reading::reports(&self.store).await?.iter())) };
        let channels = async {
            match counted {
                Some(counted) => Ok(counted),
                None => reading::channels_by_state(&self.store).await,
            }
        };
        let (queues, reports, channels) = futures_util::join!(
            bounded(Box::pin(reading::queues(&self.queue))),
            bounded(Box::pin(reports)),
            bounded(Box::pin(channels))
        );
        let at = now();
        let is_counted = known.channels.as_ref().is_some_and(|known| known.if_younger(CHANNELS_PERIOD, at).is_some());
        if let (Ok(channels), false) = (&channels, is_counted) {
            known.channels = Some(Dated { at, value: channels.clone() });
        }
        let standing = Arc::new(Standing { queues, reports, channels });
        known.standing = Some(Dated { at, value: Arc::clone(&standing) });
        standing
    }
}

/// Waits no longer than a person would.
async fn bounded<T>(asked: impl Future<Output = Result<T, Failure>>) -> Result<T, String> {
    match timeout(ANSWER_TIME, asked).await {
        Ok(answer) => answer.map_err(|failure| failure.text().unwrap_or_default().to_owned()),
        Err(_) => Err(format!("no answer within {} s", ANSWER_TIME.as_secs())),
    }
}
