//! Looks envelopes up in the channel store, many in one pipeline, and waits while the store is away.

use std::time::Duration;

use channels::{ChannelStore, LookupAnswer};
use chassis::{Backoff, Shutdown, dice};
use event::Envelope;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::contacts;

/// Delays between look-ups while the store is away.
const AWAY: Backoff = Backoff { base: Duration::from_millis(200), ceiling: Duration::from_secs(2) };

/// Looks envelopes up.
#[derive(Debug)]
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
    /// stops.
    pub(crate) async fn look_up<'e>(&self, envelopes: impl Iterator<Item = &'e Envelope>) -> Option<Vec<LookupAnswer>> {
        let envelopes: Vec<&Envelope> = envelopes.collect();
        let mut failures = 0;
        loop {
            match contacts::look_up(&self.store, &envelopes).await {
                Ok(answers) => {
                    if self.away.send_if_modified(|is_away| std::mem::replace(is_away, false)) {
                        info!("The channel store is back");
                    }
                    return Some(answers);
                }
                Err(error) => {
                    failures += 1;
                    if self.away.send_if_modified(|is_away| !std::mem::replace(is_away, true)) {
                        warn!("Holding all events, because the channel store can't be used: {error}");
                    }
                    if !self.shutdown.pause(AWAY.delay(failures, dice())).await {
                        return None;
                    }
                }
            }
        }
    }

    /// Becomes true when the store is lost, and false when it is back.
    pub(crate) fn is_away(&self) -> watch::Receiver<bool> {
        self.away.subscribe()
    }
}
