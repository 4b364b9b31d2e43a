//! The channel store: what delivery asks of it in one go, and what an operator changes in it.

use std::collections::HashMap;
use std::sync::Arc;

use chassis::{Problem, Shutdown};
use event::{Address, EventId, Family, Lane};
use jiff::Timestamp;

use crate::changes::{self, Changes, Write};
use crate::embedded::Embedded;
use crate::record::{self, Fields};
use crate::remote::Remote;
use crate::settings::Location;
use crate::{ChannelRecord, ChannelState, ChannelsSettings, Metrics, NewChannel, Route, Server, keys};

/// Why the store gave no answer. Whoever asks waits and asks again; nothing is decided without one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no connection, or it broke.
    #[error("the channel store can't be reached: does it run, and is CHANNELS_URL right?")]
    Away,
    /// No answer within the bound.
    #[error("the channel store did not answer in time")]
    TimedOut,
    /// It holds no channels and never did: emptied by a restart without its file, or the wrong one.
    #[error(
        "the channel store is empty: restore its backup, or add the first channel with `ops channels add` \
         (is CHANNELS_URL, with CHANNELS_KEY_PREFIX, the right one?)"
    )]
    NotInitialised,
    /// It answered with an error, of this code.
    #[error("the channel store answered with the error {0}")]
    Refused(String),
    /// The files of the embedded store failed.
    #[error("the channel store's files can't be used: {0}")]
    Files(String),
    /// Somebody else kept changing the same record.
    #[error("the record is being changed by somebody else: try again")]
    Conflict,
    /// The address is connected for another tenant.
    #[error("{address} is connected for another tenant: remove it there first")]
    OtherTenant {
        /// The channel or account.
        address: String,
    },
}

impl StoreError {
    pub(crate) const LABELS: [&'static str; 7] =
        ["away", "timed_out", "not_initialised", "refused", "files", "conflict", "other_tenant"];

    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::TimedOut => "timed_out",
            Self::NotInitialised => "not_initialised",
            Self::Refused(_) => "refused",
            Self::Files(_) => "files",
            Self::Conflict => "conflict",
            Self::OtherTenant { .. } => "other_tenant",
        }
    }
}

/// What is asked about one envelope.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// Was it delivered already?
    pub id: &'a EventId,
    /// Which channel, and is its data to be erased?
    pub address: &'a Address,
    /// Is this conversation's data to be erased?
    pub lane: &'a Lane,
}

/// What the store knows about one envelope.
#[derive(Clone, Debug)]
pub enum Found {
    /// DSK has the event.
    Delivered,
    /// The person or channel asked for erasure.
    Erased,
    /// No such channel.
    Unknown,
    /// The channel was removed.
    Disconnected,
    /// The record can't be used, and why.
    Damaged(String),
    /// The channel.
    Channel(Arc<Route>),
}

/// What a back end is asked in one go: a burst is mostly about a few channels, so each is read once.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Markers of the events, then erasures of their lanes, then erasures of the channels.
    pub(crate) marks: Vec<String>,
    /// The channels' records.
    pub(crate) channels: Vec<String>,
    /// Which of them each event belongs to.
    channel_of: Vec<usize>,
}

/// What it answers.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) marks: Vec<bool>,
    pub(crate) channels: Vec<Fields>,
}

impl Asked {
    fn new(lookups: &[Lookup<'_>]) -> Self {
        let (mut index, mut addresses, mut channel_of) = (HashMap::new(), Vec::new(), Vec::new());
        for lookup in lookups {
            channel_of.push(*index.entry(lookup.address).or_insert_with(|| {
                addresses.push(lookup.address);
                addresses.len() - 1
            }));
        }
        let mut marks: Vec<String> = lookups.iter().map(|lookup| keys::delivered(lookup.id)).collect();
        marks.extend(lookups.iter().map(|lookup| keys::erased(lookup.lane.as_str())));
        marks.extend(addresses.iter().map(|address| keys::erased(address.as_str())));
        Self { marks, channels: addresses.into_iter().map(keys::channel).collect(), channel_of }
    }

    /// What is known about each event, in the order asked.
    fn found(&self, seen: &Seen) -> Vec<Found> {
        let channels: Vec<Found> = seen.channels.iter().map(found).collect();
        let (delivered, erased) = seen.marks.split_at(self.channel_of.len());
        let (erased_lanes, erased_channels) = erased.split_at(self.channel_of.len());
        let each = self.channel_of.iter().zip(delivered).zip(erased_lanes);
        each.map(|((&channel, &is_delivered), &is_erased)| match (is_delivered, is_erased | erased_channels[channel]) {
            (_, true) => Found::Erased,
            (true, false) => Found::Delivered,
            (false, false) => channels[channel].clone(),
        })
        .collect()
    }
}

/// Channels and markers, in Redis or in files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChannelStore {
    back: Back,
    metrics: Metrics,
}

#[derive(Clone, Debug)]
enum Back {
    Redis(Remote),
    Embedded(Embedded),
}

/// Asks whichever back end there is.
macro_rules! ask {
    ($store:expr, $back:ident => $question:expr) => {{
        let answer = match &$store.back {
            Back::Redis($back) => $question.await,
            Back::Embedded($back) => $question.await,
        };
        answer.inspect_err(|error| $store.metrics.failed(error))
    }};
}

impl ChannelStore {
    /// How often a change is decided anew because somebody else changed the same record first.
    pub(crate) const TRIES_MAX: usize = 10;

    /// Opens the store. A Redis that is away is no problem: it is waited for; files that can't be opened are one.
    pub fn open(settings: &ChannelsSettings, metrics: Metrics, shutdown: &Shutdown) -> Result<Self, Problem> {
        let back = match settings.location()? {
            Location::Redis(address) => {
                Back::Redis(Remote::start(*address, settings.channels_key_prefix.clone(), metrics.clone(), shutdown)?)
            }
            Location::Embedded(folder) => {
                metrics.connected(true);
                Back::Embedded(Embedded::open(&folder, shutdown)?)
            }
        };
        Ok(Self { back, metrics })
    }

    /// Whether the store could be reached when it was last tried.
    pub fn is_connected(&self) -> bool {
        match &self.back {
            Back::Redis(remote) => remote.is_connected(),
            Back::Embedded(_) => true,
        }
    }

    /// The Redis behind the store, as it describes itself; `None` for files.
    pub async fn server(&self) -> Result<Option<Server>, StoreError> {
        match &self.back {
            Back::Redis(remote) => remote.server().await.map(Some),
            Back::Embedded(_) => Ok(None),
        }
    }

    /// Whether it holds channels, or ever did.
    pub async fn is_initialised(&self) -> Result<bool, StoreError> {
        Ok(self.read(vec![keys::INITIALISED.to_owned()]).await?.iter().any(|fields| !fields.is_empty()))
    }

    /// Marker, erasures and channel of each, in the order asked.
    pub async fn look_up(&self, lookups: &[Lookup<'_>]) -> Result<Vec<Found>, StoreError> {
        let asked = Asked::new(lookups);
        let seen = ask!(self, back => back.look_up(&asked))?;
        if seen.marks.len() != asked.marks.len() || seen.channels.len() != asked.channels.len() {
            return Err(StoreError::Refused("an answer of another length".to_owned()));
        }
        Ok(asked.found(&seen))
    }

    /// Remembers that DSK has these events, for as long as Meta may send them again.
    pub async fn mark_delivered(&self, ids: &[EventId]) -> Result<(), StoreError> {
        let marks = ids.iter().map(keys::delivered).collect();
        ask!(self, back => back.mark(marks, keys::DELIVERED_TIME))
    }

    /// From now on what is taken for this channel (an address) or conversation (a lane) is discarded.
    pub async fn mark_erased(&self, what: &str) -> Result<(), StoreError> {
        ask!(self, back => back.mark(vec![keys::erased(what)], keys::ERASED_TIME))
    }

    /// Stores a channel, or stores it anew: a rotated token holds from the next attempt.
    pub async fn add(&self, channel: &NewChannel, now: Timestamp) -> Result<(), StoreError> {
        self.change(changes::read_to_add(channel), |changes| changes::add(changes, channel, now)).await?;
        // Whoever connects anew after an erasure wants their events again.
        let account = channel.account_id.as_ref().map(|id| Address::of(Family::WhatsAppAccount, id));
        let anew: Vec<String> =
            account.iter().chain([&channel.address]).map(|address| keys::erased(address.as_str())).collect();
        ask!(self, back => back.unmark(anew))
    }

    /// Removes a channel (or a WhatsApp account with all of its channels), so that their events are discarded.
    pub async fn remove(&self, address: &Address, now: Timestamp) -> Result<(), StoreError> {
        let remove = |changes: &mut Changes| {
            changes::remove(changes, address, now);
            Ok(())
        };
        self.change(vec![keys::channel(address)], remove).await
    }

    /// One channel's record.
    pub async fn get(&self, address: &Address) -> Result<Option<ChannelRecord>, StoreError> {
        let fields = self.one(keys::channel(address)).await?;
        Ok((!fields.is_empty()).then(|| record::record(address.clone(), &fields)))
    }

    /// Every record, in the order of their addresses.
    pub async fn list(&self) -> Result<Vec<ChannelRecord>, StoreError> {
        let hashes = self.hashes(keys::CHANNEL).await?.into_iter();
        let records = hashes.filter(|(_, fields)| !fields.is_empty()).filter_map(|(key, fields)| {
            let address = key.strip_prefix(keys::CHANNEL)?;
            Some(record::record(Address::new(address), &fields))
        });
        Ok(records.collect())
    }

    pub(crate) async fn channel_keys(&self) -> Result<Vec<String>, StoreError> {
        self.keys(keys::CHANNEL).await
    }

    /// The keys that begin so.
    pub(crate) async fn keys(&self, beginning: &'static str) -> Result<Vec<String>, StoreError> {
        ask!(self, back => back.keys(beginning))
    }

    /// Every hash whose key begins so, read together.
    pub(crate) async fn hashes(&self, beginning: &'static str) -> Result<Vec<(String, Fields)>, StoreError> {
        let keys = self.keys(beginning).await?;
        let hashes = self.read(keys.clone()).await?;
        Ok(keys.into_iter().zip(hashes).collect())
    }

    /// A dispatcher says how it is (JSON), for 30 seconds; or, with `None`, that it has ended.
    pub async fn report(&self, instance: &str, status: Option<&str>) -> Result<(), StoreError> {
        let key = format!("{}{instance}", keys::DISPATCHER);
        let before = self.one(key.clone()).await?;
        let after = status.map(|status| ("status".to_owned(), status.to_owned())).into_iter().collect();
        let expires = keys::REPORT_TIME.as_secs();
        // Should somebody else have written under our name, the next report is soon.
        self.commit(vec![Write { key, before, after, expires }]).await.map(drop)
    }

    /// What every dispatcher at work has reported last, by their names.
    pub async fn reports(&self) -> Result<Vec<String>, StoreError> {
        let hashes = self.hashes(keys::DISPATCHER).await?;
        Ok(hashes.into_iter().filter_map(|(_, mut fields)| fields.remove("status")).collect())
    }

    pub(crate) async fn read(&self, keys: Vec<String>) -> Result<Vec<Fields>, StoreError> {
        ask!(self, back => back.read(keys))
    }

    /// One hash; empty where there is none.
    pub(crate) async fn one(&self, key: String) -> Result<Fields, StoreError> {
        Ok(self.read(vec![key]).await?.pop().unwrap_or_default())
    }

    /// `false` if somebody wrote in between.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        ask!(self, back => back.commit(writes))
    }

    /// Reads, decides, and writes if nobody wrote in between.
    pub(crate) async fn change(
        &self,
        keys: Vec<String>,
        decide: impl Fn(&mut Changes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for _ in 0..Self::TRIES_MAX {
            let (mut changes, mut wanted) = (Changes::default(), keys.clone());
            while !wanted.is_empty() {
                let hashes = self.read(wanted.clone()).await?;
                wanted.into_iter().zip(hashes).for_each(|(key, fields)| changes.read(key, fields));
                wanted = changes.missing();
            }
            decide(&mut changes)?;
            let writes = changes.into_writes();
            if writes.is_empty() || self.commit(writes).await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict)
    }
}

fn found(fields: &Fields) -> Found {
    if fields.is_empty() {
        return Found::Unknown;
    }
    match record::state(fields) {
        Ok(ChannelState::Disconnected) => Found::Disconnected,
        Ok(ChannelState::Connected | ChannelState::ReconnectNeeded) => {
            record::route(fields).map_or_else(Found::Damaged, |route| Found::Channel(Arc::new(route)))
        }
        Err(damage) => Found::Damaged(damage),
    }
}
