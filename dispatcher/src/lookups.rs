//! Looks envelopes up in the channel store, many in one pipeline, and waits while the store is away.

use channels::ChannelStore;
use chassis::Shutdown;
use event::Envelope;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::contacts::{self, Found};
use crate::store_away;

/// Looks envelopes up.
#[derive(Clone, Debug)]
pub(crate) struct Lookups {
    store: ChannelStore,
    away: watch::Sender<bool>,
    shutdown: Shutdown,
}

impl Lookups {
    pub(crate) fn new(store: ChannelStore, shutdown: &Shutdown) -> Self {
        Self { store, away: watch::Sender::new(false), shutdown: shutdown.clone() }
    }

    /// What the store knows of these envelopes now, in their order. Waits while the store is away; `None` once the process
    /// stops, or `given_up` ends.
    pub(crate) async fn look_up(
        &self,
        envelopes: &[&Envelope],
        given_up: impl Future<Output = ()>,
    ) -> Option<Vec<Found>> {
        let mut given_up = std::pin::pin!(given_up);
        let mut failures = 0;
        loop {
            match contacts::look_up(&self.store, envelopes).await {
                Ok(answers) => {
                    self.is_back();
                    return Some(answers);
                }
                Err(error) => {
                    failures += 1;
                    if self.away.send_if_modified(|is_away| !std::mem::replace(is_away, true)) {
                        warn!("Holding all events, because the channel store can't be used: {error}");
                        let first = envelopes.first().map(|envelope| (*envelope).clone());
                        self.shutdown.spawn(self.clone().await_return(first));
                    }
                    if !store_away::pause_unless(given_up.as_mut(), &self.shutdown, failures).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Looks one envelope up again and again until the store answers: what was in flight may be given back meanwhile, so that
    /// nobody else asks.
    async fn await_return(self, envelope: Option<Envelope>) {
        let mut failures = 1;
        while *self.away.borrow() && store_away::pause(&self.shutdown, failures).await {
            match contacts::look_up(&self.store, envelope.as_ref().as_slice()).await {
                Ok(_) => self.is_back(),
                Err(_) => failures += 1,
            }
        }
    }

    fn is_back(&self) {
        if self.away.send_if_modified(|is_away| std::mem::replace(is_away, false)) {
            info!("The channel store is back");
        }
    }

    /// Becomes true when the store is lost, and false when it is back.
    pub(crate) fn is_away(&self) -> watch::Receiver<bool> {
        self.away.subscribe()
    }
}
