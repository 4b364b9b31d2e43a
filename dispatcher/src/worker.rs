//! A class at work: takes envelopes, keeps each lane in order, and gives back what a stop interrupts.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use event::{Class, Lane};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use queue::{Taken, Taker};
use tokio::time::timeout;
use tracing::{error, info};

use crate::app::App;
use crate::course::{self, Ended, Proof};
use crate::lanes::Lanes;
use crate::settle as settling;
use crate::{Reason, Settings};

/// Envelopes moved from the queue's hand at once.
const TAKE_MANY: usize = 64;

/// The worker of one class.
pub(crate) struct Worker {
    app: Arc<App>,
    class: Class,
    lanes: Lanes<Taken>,
    running: FuturesUnordered<BoxFuture<'static, (Lane, Option<Taken>)>>,
    /// What a stop interrupted.
    left: Vec<Taken>,
}

impl Worker {
    pub(crate) fn new(app: Arc<App>, class: Class) -> Self {
        Self { app, class, lanes: Lanes::default(), running: FuturesUnordered::new(), left: Vec::new() }
    }

    /// Works until a stop is asked for, then finishes the attempts under way and gives back the rest.
    pub(crate) async fn run(mut self, mut taker: Taker) {
        let mut is_away = self.app.lookups.is_away();
        let shutdown = self.app.shutdown.clone();
        let mut taken = Vec::with_capacity(TAKE_MANY);
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                Some((lane, left)) = self.running.next() => self.finished(&lane, left),
                count = taker.take_many(&mut taken, TAKE_MANY) => {
                    if count == 0 {
                        break;
                    }
                    taken.drain(..).for_each(|taken| self.enter(taken));
                }
                Ok(()) = is_away.changed() => {
                    let is_held = *is_away.borrow_and_update();
                    if is_held { taker.hold().await } else { taker.resume().await }
                }
            }
            self.app.metrics.in_hand(self.class, self.running.len());
        }
        self.stop(taker).await;
    }

    async fn stop(mut self, taker: Taker) {
        taker.hold().await;
        let drained = timeout(Settings::DRAIN, async {
            while let Some((_, left)) = self.running.next().await {
                self.left.extend(left);
            }
        });
        let unfinished = if drained.await.is_err() { self.running.len() } else { 0 };
        self.left.extend(self.lanes.into_waiting());
        info!(class = self.class.as_str(), unfinished, given_back = self.left.len(), "Giving back what is not settled");
        // First the queue gives all of them back with one frame, in their order; then they may be dropped.
        taker.finish().await;
        drop((self.left, self.running));
    }

    fn enter(&mut self, taken: Taken) {
        let lane = taken.envelope.lane.clone();
        if let Some(taken) = self.lanes.enter(&lane, taken) {
            self.begin(lane, taken);
        }
    }

    fn finished(&mut self, lane: &Lane, left: Option<Taken>) {
        self.left.extend(left);
        if let Some(taken) = self.lanes.leave(lane) {
            self.begin(lane.clone(), taken);
        }
    }

    fn begin(&mut self, lane: Lane, taken: Taken) {
        let app = Arc::clone(&self.app);
        self.running.push(async move { (lane, settle(&app, taken).await) }.boxed());
    }
}

/// Runs one course and acknowledges where it says so. A panic is that envelope's dead letter, and nobody else's trouble.
async fn settle(app: &App, taken: Taken) -> Option<Taken> {
    let ended = match AssertUnwindSafe(course::run(app, &taken)).catch_unwind().await {
        Ok(ended) => ended,
        Err(_) => {
            error!(event.id = %taken.envelope.id, "Delivering event {} panicked", taken.envelope.id);
            settling::dead_letter(app, &taken.envelope, Reason::Panicked).await
        }
    };
    match ended {
        Ended::Settled(Proof::Delivered | Proof::Copied(_) | Proof::Forgotten) => {
            taken.acknowledge();
            None
        }
        Ended::Interrupted => Some(taken),
    }
}
