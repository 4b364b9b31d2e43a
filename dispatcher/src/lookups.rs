//! Look-ups in the channel store, batched over what asks at the same time; held while the store is away.

use std::time::Duration;

use channels::{ChannelStore, Found, Lookup};
use chassis::{Backoff, Shutdown, dice};
use event::{Address, Envelope, EventId, Lane};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

/// Look-ups in one pipeline: a window of each class.
const BATCH_MAX: usize = 256;
/// Delays while the store is away.
const AWAY: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(2) };

/// Asks the store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Lookups {
    questions: mpsc::Sender<Question>,
    is_away: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Question {
    id: EventId,
    address: Address,
    lane: Lane,
    reply: oneshot::Sender<Found>,
}

impl Lookups {
    pub(crate) fn start(store: ChannelStore, shutdown: &Shutdown) -> Self {
        let (questions, receiver) = mpsc::channel(BATCH_MAX);
        let (away, is_away) = watch::channel(false);
        shutdown.spawn(answer(store, receiver, away, shutdown.clone()));
        Self { questions, is_away }
    }

    /// What the store knows now. Waits while it is away; `None` once the process stops.
    pub(crate) async fn look_up(&self, envelope: &Envelope) -> Option<Found> {
        let (reply, answer) = oneshot::channel();
        let (id, address, lane) = (envelope.id.clone(), envelope.address.clone(), envelope.lane.clone());
        self.questions.send(Question { id, address, lane, reply }).await.ok()?;
        answer.await.ok()
    }

    /// Turns true when the store is lost, false when it is back.
    pub(crate) fn is_away(&self) -> watch::Receiver<bool> {
        self.is_away.clone()
    }
}

async fn answer(
    store: ChannelStore,
    mut questions: mpsc::Receiver<Question>,
    away: watch::Sender<bool>,
    shutdown: Shutdown,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while questions.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let asked: Vec<Lookup<'_>> =
            batch.iter().map(|ask| Lookup { id: &ask.id, address: &ask.address, lane: &ask.lane }).collect();
        let mut failures = 0;
        let found = loop {
            match store.look_up(&asked).await {
                Ok(found) => break found,
                Err(error) => {
                    failures += 1;
                    if away.send_if_modified(|is_away| !std::mem::replace(is_away, true)) {
                        warn!(%error, "Holding all events, the channel store can't be used: {error}");
                    }
                    if !shutdown.pause(AWAY.delay(failures, dice())).await {
                        break Vec::new();
                    }
                }
            }
        };
        if !found.is_empty() && away.send_if_modified(|is_away| std::mem::replace(is_away, false)) {
            info!("The channel store is back");
        }
        drop(asked);
        for (question, found) in batch.drain(..).zip(found) {
            question.reply.send(found).ok();
        }
    }
}
