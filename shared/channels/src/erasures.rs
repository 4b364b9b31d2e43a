//! Erasures: what a person asked us to erase is marked and removed here, and the dispatchers carry it out in the queue.
//! The record of an erasure holds no personal data.

use std::collections::BTreeSet;

use chassis::random;
use event::{Address, Family};
use jiff::Timestamp;

use crate::changes::Removal;
use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::store::ChannelStore;
use crate::transaction::Lifetime;
use crate::update::Decision;
use crate::{changes, keys};

/// How an erasure was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureOrigin {
    /// By the person who connected a channel, through Meta's data-deletion callback.
    Callback,
    /// By an operator, with `ops erase`.
    Operator,
}

/// What is to be erased.
#[derive(Clone, Copy, Debug)]
pub struct ErasureRequest<'a> {
    /// The code under which the erasure is recorded.
    pub code: &'a str,
    /// How it was asked for.
    pub origin: ErasureOrigin,
    /// Channels: with their tokens, an account with its last channel, and the open connect links of their tenants.
    pub channels: &'a [Address],
    /// Conversations.
    pub lanes: &'a [String],
    /// What was connected later stays. `None`: everything is erased.
    pub until: Option<Timestamp>,
}

/// The record of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// How it was asked for: `callback` or `operator`.
    pub origin: String,
    /// When it was asked for, RFC 3339.
    pub requested_at: String,
    /// When the dispatchers had looked through the dead letters, RFC 3339; until then the erasure is pending.
    pub done_at: Option<String>,
}

/// An erasure that the dispatchers have not carried out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingErasure {
    /// The code under which the erasure is recorded.
    pub code: String,
    /// When it was last asked for, RFC 3339.
    pub requested_at: String,
}

impl ErasureOrigin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Operator => "operator",
        }
    }
}

/// A code for an erasure, which nobody can guess.
pub fn new_erasure_code() -> String {
    hex::encode(random::<16>())
}

impl ChannelStore {
    /// The channels that a person connected; the person is named as Meta's callbacks do.
    pub async fn addresses_of(&self, app_user_id: &str) -> Result<Vec<Address>, StoreError> {
        let fields = self.read_one(keys::user(app_user_id)).await?;
        Ok(fields.into_keys().map(Address::new).collect())
    }

    /// The code of a person's deletion: `fresh` the first time, and then the same for as long as Meta may ask again.
    pub async fn deletion_code(&self, app_user_id: &str, fresh: &str) -> Result<String, StoreError> {
        let keep_or_set = |fields: &mut Fields| {
            let code = fields.entry(fields::CODE.to_owned()).or_insert_with(|| fresh.to_owned());
            Decision::Write(code.clone())
        };
        self.update_hash(keys::deletion(app_user_id), Lifetime::Limited(keys::ERASED_TIME), keep_or_set).await
    }

    /// Events of this channel (an address) or conversation (a lane) that were received by `until` are discarded when they
    /// are taken. What comes later is delivered.
    pub async fn mark_erased(&self, address_or_lane: &str, until: Timestamp) -> Result<(), StoreError> {
        self.mark(vec![keys::erased(address_or_lane)], until.to_string(), keys::ERASED_TIME).await
    }

    /// Erases channels and conversations. The request is recorded first, so that it can be repeated with the same code
    /// if it stops half way.
    pub async fn erase(&self, request: &ErasureRequest<'_>, now: Timestamp) -> Result<(), StoreError> {
        self.record_erasure(request, now).await?;
        let until = request.until.unwrap_or(Timestamp::MAX);
        let received_until = until.min(now);
        for lane in request.lanes {
            self.mark_erased(lane, received_until).await?;
        }
        let mut tenants = BTreeSet::new();
        for address in request.channels {
            tenants.extend(self.get(address).await?.map(|record| record.tenant));
            // Marked before it is removed: an event of an unknown channel would be kept for a person to look at. Those that
            // are received later are discarded, too, until the channel is connected again.
            for marked in self.erased_along_with(address).await? {
                self.mark_erased(marked.as_str(), received_until).await?;
            }
            self.change_channels(vec![keys::channel(address)], |transaction| {
                changes::erase(transaction, Removal { address, until, now });
                Ok(Decision::Write(()))
            })
            .await?;
        }
        self.end_tickets(&tenants).await?;
        // Only now may the dispatchers look: before, they would have found nothing marked.
        let add = |fields: &mut Fields| {
            fields::set(fields, request.code, now);
            Decision::Write(())
        };
        self.update_hash(keys::ERASURES_PENDING.to_owned(), Lifetime::Unlimited, add).await
    }

    async fn record_erasure(&self, request: &ErasureRequest<'_>, now: Timestamp) -> Result<(), StoreError> {
        let record = |fields: &mut Fields| {
            fields.clear();
            fields::set(fields, fields::ORIGIN, request.origin.as_str());
            fields::set(fields, fields::REQUESTED_AT, now);
            Decision::Write(())
        };
        self.update_hash(keys::erasure(request.code), Lifetime::Limited(keys::ERASURE_RECORD_TIME), record).await
    }

    /// The channel, the channels that belong to it if it is an account, and its account if it is the last channel there.
    async fn erased_along_with(&self, address: &Address) -> Result<Vec<Address>, StoreError> {
        let mut addresses = vec![address.clone()];
        let Some(record) = self.get(address).await? else { return Ok(addresses) };
        addresses.extend(record.channels);
        if let Some(account) = record.account_id.map(|id| Address::of(Family::WhatsAppAccount, &id))
            && let Some(account_record) = self.get(&account).await?
            && account_record.channels.iter().all(|channel| addresses.contains(channel))
        {
            addresses.push(account);
        }
        Ok(addresses)
    }

    /// The record of an erasure.
    pub async fn erasure(&self, code: &str) -> Result<Option<Erasure>, StoreError> {
        let mut fields = self.read_one(keys::erasure(code)).await?;
        Ok(fields.remove(fields::REQUESTED_AT).map(|requested_at| Erasure {
            origin: fields.remove(fields::ORIGIN).unwrap_or_default(),
            requested_at,
            done_at: fields.remove(fields::DONE_AT),
        }))
    }

    /// The erasures that the dispatchers have not carried out yet.
    pub async fn pending_erasures(&self) -> Result<Vec<PendingErasure>, StoreError> {
        let fields = self.read_one(keys::ERASURES_PENDING.to_owned()).await?;
        Ok(fields.into_iter().map(|(code, requested_at)| PendingErasure { code, requested_at }).collect())
    }

    /// Records that the dispatchers have looked through the dead letters. An erasure that was asked for again in the
    /// meantime stays pending.
    pub async fn finish_erasure(&self, pending: &PendingErasure, now: Timestamp) -> Result<(), StoreError> {
        let finish = |fields: &mut Fields| {
            if fields.get(fields::REQUESTED_AT) == Some(&pending.requested_at) {
                fields::set(fields, fields::DONE_AT, now);
            }
            Decision::Write(())
        };
        let lifetime = Lifetime::Limited(keys::ERASURE_RECORD_TIME);
        self.update_hash(keys::erasure(&pending.code), lifetime, finish).await?;
        let remove = |fields: &mut Fields| {
            if fields.get(&pending.code) == Some(&pending.requested_at) {
                fields.remove(&pending.code);
            }
            Decision::Write(())
        };
        self.update_hash(keys::ERASURES_PENDING.to_owned(), Lifetime::Unlimited, remove).await
    }
}
