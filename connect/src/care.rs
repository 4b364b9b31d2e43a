//! Care for what Meta has given us: tokens are refreshed in time and looked at daily, subscriptions that Meta has ended
//! are made again. One process at a time does it.

mod due;
mod rounds;

use channels::{ChannelRecord, ChannelStore, KeyRing, SealedSecret, StoreError, StoredToken};
use chassis::{Problems, Secret};
use event::Family;
use jiff::Timestamp;
use tracing::{info, warn};

pub(crate) use rounds::keep;

use crate::Metrics;
use crate::graph::instagram::InstagramGraph;
use crate::graph::whatsapp::WhatsAppGraph;
use crate::graph::{Graph, GraphError};
use crate::metrics::{SubscriptionCheck, TokenCheck};
use crate::settings::MetaSettings;
use crate::signed::random_id;
use due::{expires_at, has_care, is_instagram};
pub use rounds::Round;

/// Looks after channels.
#[derive(Clone, Debug)]
pub struct Care {
    store: ChannelStore,
    key_ring: KeyRing,
    whatsapp: Option<WhatsAppGraph>,
    instagram: Option<InstagramGraph>,
    metrics: Metrics,
    /// Of this process, for the lease.
    holder: String,
}

/// What was found about one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The token works, and Meta posts the channel's events to us.
    Well,
    /// It did not, and does again.
    Repaired,
    /// Meta does not post its events to us, and it was not to be repaired.
    Unsubscribed,
    /// The token no longer works: the channel has to be connected again.
    ReconnectNeeded,
    /// Nothing is known: Meta or the store gave no answer, or the token does not open.
    Unknown,
    /// There is no token to ask with, or no app to ask for.
    NotOurs,
}

/// Why a channel could not be looked after.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Graph(#[from] GraphError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the stored token opens with none of our keys")]
    Unopenable,
}

impl Trouble {
    /// Whether the token is to blame: only its owner can help.
    fn is_the_token(&self) -> bool {
        matches!(self, Self::Graph(GraphError::Token { .. } | GraphError::Permission(_)))
    }
}

/// The token that a channel is looked after with: as it is stored, and opened.
struct Opened<'a> {
    sealed: &'a SealedSecret,
    token: Secret,
}

impl Care {
    /// Care with the apps that are given.
    pub fn new(
        settings: &MetaSettings,
        (store, key_ring): (ChannelStore, KeyRing),
        metrics: Metrics,
    ) -> Result<Self, Problems> {
        let (whatsapp, instagram) = settings.check()?;
        let graph = Graph::new(metrics.clone())?;
        let whatsapp = whatsapp.map(|app| WhatsAppGraph::new(graph.clone(), app, settings));
        let instagram = instagram.map(|app| InstagramGraph::new(graph, app, settings));
        Ok(Self::with((whatsapp, instagram), (store, key_ring), metrics))
    }

    pub(crate) fn with(
        (whatsapp, instagram): (Option<WhatsAppGraph>, Option<InstagramGraph>),
        (store, key_ring): (ChannelStore, KeyRing),
        metrics: Metrics,
    ) -> Self {
        Self { store, key_ring, whatsapp, instagram, metrics, holder: random_id() }
    }

    /// Asks Meta about a channel's token and subscription. With `repair` a subscription that is gone is made again, and
    /// what was found is written down; without, nothing is changed.
    pub async fn check(&self, record: &ChannelRecord, repair: bool, now: Timestamp) -> Finding {
        if !has_care(record) || !self.has_app(record) {
            return Finding::NotOurs;
        }
        let checked = async {
            let opened = self.open(record)?;
            let expires_at = self.ask_about_token(record, &opened.token).await?;
            let finding = match (self.ask_about_subscription(record, &opened.token).await?, repair) {
                (true, _) => {
                    self.metrics.subscription_checked(SubscriptionCheck::Subscribed);
                    Finding::Well
                }
                (false, true) => self.subscribe(record, &opened.token).await?,
                (false, false) => return Ok(Finding::Unsubscribed),
            };
            if repair {
                let stored = StoredToken { address: &record.address, sealed: opened.sealed };
                self.store.mark_access_token_valid(stored, expires_at, now).await?;
            }
            Ok(finding)
        };
        match checked.await {
            Ok(finding) => {
                self.metrics.token_checked(TokenCheck::Valid);
                finding
            }
            Err(trouble) => self.failed(record, &trouble, (repair, now)).await,
        }
    }

    /// Until when the token works, as Meta says. Of Instagram's only the next answer tells whether it does at all.
    async fn ask_about_token(&self, record: &ChannelRecord, token: &Secret) -> Result<Option<Timestamp>, Trouble> {
        let Some(whatsapp) = self.whatsapp.as_ref().filter(|_| !is_instagram(record)) else {
            return Ok(expires_at(record));
        };
        let known = whatsapp.inspect(token.clone()).await?;
        if record.account_id.as_ref().is_some_and(|account| !known.covers(account)) {
            return Err(GraphError::Permission(0).into());
        }
        Ok(known.expires_at.and_then(|at| Timestamp::from_second(at).ok()))
    }

    async fn ask_about_subscription(&self, record: &ChannelRecord, token: &Secret) -> Result<bool, Trouble> {
        Ok(match self.target(record) {
            Some(Target::Account(whatsapp, id)) => whatsapp.is_subscribed(id, token).await?,
            Some(Target::User(instagram, id)) => instagram.is_subscribed(id, token).await?,
            // A number of which no account is known: there is nothing to ask.
            None => true,
        })
    }

    async fn subscribe(&self, record: &ChannelRecord, token: &Secret) -> Result<Finding, Trouble> {
        let repaired = match self.target(record) {
            Some(Target::Account(whatsapp, id)) => whatsapp.subscribe(id, token).await,
            Some(Target::User(instagram, id)) => instagram.subscribe(id, token).await,
            None => Ok(()),
        };
        self.metrics.subscription_checked(match repaired {
            Ok(()) => SubscriptionCheck::Repaired,
            Err(_) => SubscriptionCheck::Failed,
        });
        repaired?;
        warn!(channel = %record.address, "Meta had ended the subscription of {}; it is made again", record.address);
        Ok(Finding::Repaired)
    }

    /// Gives an Instagram account a new token.
    async fn refresh(&self, record: &ChannelRecord, now: Timestamp) -> Finding {
        let Some(instagram) = &self.instagram else { return Finding::NotOurs };
        let refreshed = async {
            let opened = self.open(record)?;
            if expires_at(record).is_some_and(|at| at <= now) {
                return Err(GraphError::Token { code: 190, subcode: 463 }.into());
            }
            let new = instagram.refresh(&opened.token).await?;
            let expires_at = new.expires_at(now);
            let sealed = self.key_ring.seal(&new.token);
            // Whoever put another token in its place meanwhile has the newer one.
            let old = StoredToken { address: &record.address, sealed: opened.sealed };
            self.store.replace_access_token(old, &sealed, expires_at, now).await?;
            Ok(expires_at)
        };
        match refreshed.await {
            Ok(until) => {
                self.metrics.token_checked(TokenCheck::Refreshed);
                info!(channel = %record.address, %until, "Refreshed the token of {}", record.address);
                Finding::Repaired
            }
            Err(trouble) => self.failed(record, &trouble, (true, now)).await,
        }
    }

    /// A token that no longer works is written down, if it is to be; everything else is tried again.
    async fn failed(&self, record: &ChannelRecord, trouble: &Trouble, (write, now): (bool, Timestamp)) -> Finding {
        let address = &record.address;
        let Some(token) = record.access_token.as_ref().filter(|_| trouble.is_the_token()) else {
            self.metrics.token_checked(TokenCheck::Failed);
            warn!(channel = %address, error = %trouble, "Could not look after {address}, and will try again: {trouble}");
            return Finding::Unknown;
        };
        self.metrics.token_checked(TokenCheck::ReconnectNeeded);
        warn!(channel = %address, error = %trouble, "The channel {address} has to be connected again: {trouble}");
        let stored = StoredToken { address, sealed: token };
        if write && let Err(error) = self.store.mark_access_token_dead(stored, now).await {
            warn!(channel = %address, %error, "Could not write that down: {error}");
            return Finding::Unknown;
        }
        Finding::ReconnectNeeded
    }

    fn open<'a>(&self, record: &'a ChannelRecord) -> Result<Opened<'a>, Trouble> {
        let sealed = record.access_token.as_ref().ok_or(Trouble::Unopenable)?;
        let token = self.key_ring.open(sealed).map_err(|_| Trouble::Unopenable)?;
        Ok(Opened { sealed, token })
    }

    fn has_app(&self, record: &ChannelRecord) -> bool {
        if is_instagram(record) { self.instagram.is_some() } else { self.whatsapp.is_some() }
    }

    fn target<'a>(&'a self, record: &'a ChannelRecord) -> Option<Target<'a>> {
        match record.address.family() {
            Family::Instagram => Some(Target::User(self.instagram.as_ref()?, record.address.id())),
            Family::WhatsApp | Family::WhatsAppAccount | Family::Messenger | Family::Other => {
                Some(Target::Account(self.whatsapp.as_ref()?, record.account_id.as_deref()?))
            }
        }
    }
}

/// Who is asked, about whom.
enum Target<'a> {
    /// A WhatsApp account.
    Account(&'a WhatsAppGraph, &'a str),
    /// An Instagram account.
    User(&'a InstagramGraph, &'a str),
}
