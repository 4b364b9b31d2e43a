//! What is done for one channel: asking Meta about its token and subscription, and refreshing or repairing them.

use channels::{ChannelRecord, ChannelStore, KeyRing, SealedSecret, StoreError, StoredToken};
use chassis::{Problems, Secret};
use jiff::Timestamp;
use tracing::{info, warn};

use super::due::{expires_at, has_maintenance};
use crate::graph::{ChannelGraph, GraphError, Graphs};
use crate::metrics::{Metrics, SubscriptionCheck, TokenCheck};
use crate::settings::MetaSettings;
use crate::signer::random_id;

/// Maintains the tokens and subscriptions of channels.
#[derive(Clone, Debug)]
pub struct Maintenance {
    pub(super) store: ChannelStore,
    key_ring: KeyRing,
    pub(super) graphs: Graphs,
    pub(super) metrics: Metrics,
    /// Names this process in the lease.
    pub(super) lease_holder: String,
}

/// What Meta says about one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelHealth {
    /// The token works, and Meta posts the channel's events to us.
    Healthy,
    /// Meta had stopped posting the events and does so again, or the token is a new one.
    Repaired,
    /// Meta does not post the channel's events to us, and that was not to be repaired.
    Unsubscribed,
    /// The token no longer works: the channel has to be connected again.
    ReconnectNeeded,
    /// Nothing is known: Meta or the store gave no answer, or the token does not open.
    Unknown,
    /// There is no token to ask with, or no app for the channel.
    NotChecked,
}

/// What a check may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckMode {
    /// Nothing.
    ReadOnly,
    /// A subscription that is gone is made again, and the result is stored.
    Repair,
}

/// Why a channel could not be maintained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum MaintenanceError {
    #[error("{0}")]
    Graph(#[from] GraphError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the stored token opens with none of our keys")]
    Unopenable,
}

impl MaintenanceError {
    /// Whether the token itself is the reason, so that only the channel's owner can help.
    const fn is_about_the_token(&self) -> bool {
        matches!(self, Self::Graph(GraphError::Token { .. } | GraphError::Permission(_)))
    }
}

/// A channel's token as it is stored, and opened.
struct ChannelToken<'a> {
    sealed: &'a SealedSecret,
    token: Secret,
}

impl Maintenance {
    /// Maintenance with the apps that the settings name.
    pub fn new(
        settings: &MetaSettings,
        store: ChannelStore,
        key_ring: KeyRing,
        metrics: Metrics,
    ) -> Result<Self, Problems> {
        let graphs = Graphs::new(settings.check()?, settings, metrics.clone())?;
        Ok(Self::with_graphs(graphs, store, key_ring, metrics))
    }

    pub(crate) fn with_graphs(graphs: Graphs, store: ChannelStore, key_ring: KeyRing, metrics: Metrics) -> Self {
        Self { store, key_ring, graphs, metrics, lease_holder: random_id() }
    }

    /// Asks Meta about a channel's token and subscription.
    pub async fn check(&self, record: &ChannelRecord, mode: CheckMode, now: Timestamp) -> ChannelHealth {
        let Some(graph) = self.graphs.of(record).filter(|_| has_maintenance(record)) else {
            return ChannelHealth::NotChecked;
        };
        match self.try_check(record, &graph, mode, now).await {
            Ok(health) => {
                self.metrics.token_checks_total.inc(TokenCheck::Valid);
                health
            }
            Err(error) => self.conclude_failure(record, &error, mode, now).await,
        }
    }

    async fn try_check(
        &self,
        record: &ChannelRecord,
        graph: &ChannelGraph<'_>,
        mode: CheckMode,
        now: Timestamp,
    ) -> Result<ChannelHealth, MaintenanceError> {
        let ChannelToken { sealed, token } = self.open(record)?;
        let expires_at = ask_about_token(record, graph, &token).await?;
        let is_subscribed = graph.is_subscribed(&token).await?;
        if mode == CheckMode::ReadOnly && !is_subscribed {
            return Ok(ChannelHealth::Unsubscribed);
        }
        let health = if is_subscribed {
            self.metrics.subscription_checks_total.inc(SubscriptionCheck::Subscribed);
            ChannelHealth::Healthy
        } else if !self.is_current(record).await? {
            // It was disconnected while Meta answered, and that is why it is not subscribed.
            return Ok(ChannelHealth::NotChecked);
        } else {
            self.subscribe(record, graph, &token).await?
        };
        if mode == CheckMode::Repair {
            self.store
                .mark_access_token_valid(StoredToken { address: &record.address, sealed }, expires_at, now)
                .await?;
        }
        Ok(health)
    }

    /// Whether the channel still has the token that was read, and is not disconnected.
    async fn is_current(&self, record: &ChannelRecord) -> Result<bool, StoreError> {
        let stored = self.store.get(&record.address).await?;
        Ok(stored.is_some_and(|stored| has_maintenance(&stored) && stored.access_token == record.access_token))
    }

    async fn subscribe(
        &self,
        record: &ChannelRecord,
        graph: &ChannelGraph<'_>,
        token: &Secret,
    ) -> Result<ChannelHealth, MaintenanceError> {
        let subscribed = graph.subscribe(token).await;
        self.metrics.subscription_checks_total.inc(match subscribed {
            Ok(()) => SubscriptionCheck::Repaired,
            Err(_) => SubscriptionCheck::Failed,
        });
        subscribed?;
        warn!(channel = %record.address, "Made the subscription of {} again, which Meta had ended", record.address);
        Ok(ChannelHealth::Repaired)
    }

    /// Gets a new token for an Instagram account.
    pub(super) async fn refresh(&self, record: &ChannelRecord, now: Timestamp) -> ChannelHealth {
        match self.try_refresh(record, now).await {
            Ok(Some(until)) => {
                self.metrics.token_checks_total.inc(TokenCheck::Refreshed);
                info!(channel = %record.address, %until, "Refreshed the token of {}", record.address);
                ChannelHealth::Repaired
            }
            Ok(None) => ChannelHealth::NotChecked,
            Err(error) => self.conclude_failure(record, &error, CheckMode::Repair, now).await,
        }
    }

    /// When the new token ends; `None` if there is no app for the channel.
    async fn try_refresh(&self, record: &ChannelRecord, now: Timestamp) -> Result<Option<Timestamp>, MaintenanceError> {
        let Some(ChannelGraph::Instagram { graph, .. }) = self.graphs.of(record) else { return Ok(None) };
        let ChannelToken { sealed, token } = self.open(record)?;
        if expires_at(record).is_some_and(|at| at <= now) {
            return Err(GraphError::Token { code: 190, subcode: 463 }.into());
        }
        let new = graph.refresh(&token).await?;
        let expires_at = new.expires_at(now);
        let new = self.key_ring.seal(&new.token);
        // If another token was stored meanwhile, that one is newer and stays.
        let old = StoredToken { address: &record.address, sealed };
        self.store.replace_access_token(old, &new, expires_at, now).await?;
        Ok(Some(expires_at))
    }

    /// Stores that a token no longer works, if anything may be stored. After any other error the channel is tried again.
    async fn conclude_failure(
        &self,
        record: &ChannelRecord,
        error: &MaintenanceError,
        mode: CheckMode,
        now: Timestamp,
    ) -> ChannelHealth {
        let address = &record.address;
        let Some(token) = record.access_token.as_ref().filter(|_| error.is_about_the_token()) else {
            self.metrics.token_checks_total.inc(TokenCheck::Failed);
            warn!(channel = %address, %error, "Could not check or refresh the token of {address}, and will try again");
            return ChannelHealth::Unknown;
        };
        self.metrics.token_checks_total.inc(TokenCheck::ReconnectNeeded);
        warn!(channel = %address, %error, "The channel {address} has to be connected again");
        if mode == CheckMode::Repair
            && let Err(error) = self.store.mark_access_token_dead(StoredToken { address, sealed: token }, now).await
        {
            warn!(channel = %address, %error, "Could not store that {address} has to be connected again");
            return ChannelHealth::Unknown;
        }
        ChannelHealth::ReconnectNeeded
    }

    fn open<'a>(&self, record: &'a ChannelRecord) -> Result<ChannelToken<'a>, MaintenanceError> {
        let sealed = record.access_token.as_ref().ok_or(MaintenanceError::Unopenable)?;
        let token = self.key_ring.open(sealed).map_err(|_| MaintenanceError::Unopenable)?;
        Ok(ChannelToken { sealed, token })
    }
}

/// Asks Meta until when the token works. Instagram does not answer that; whether its token works at all shows when the
/// subscription is read.
async fn ask_about_token(
    record: &ChannelRecord,
    graph: &ChannelGraph<'_>,
    token: &Secret,
) -> Result<Option<Timestamp>, GraphError> {
    let ChannelGraph::WhatsApp { graph, account_id } = graph else { return Ok(expires_at(record)) };
    let token = graph.inspect(token.clone()).await?;
    if account_id.is_some_and(|account_id| !token.covers(account_id)) {
        return Err(GraphError::Permission(0));
    }
    Ok(token.expires_at.and_then(|at| Timestamp::from_second(at).ok()))
}
