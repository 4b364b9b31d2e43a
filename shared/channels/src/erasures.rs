//! Erasures: what was asked to be forgotten, marked and removed here, and carried out in the queue by the dispatchers. The
//! record of it holds no personal data.

use std::collections::BTreeSet;
use std::time::Duration;

use chassis::random;
use event::{Address, Family};
use jiff::Timestamp;

use crate::changes::{self, Changes};
use crate::record::Fields;
use crate::{ChannelStore, StoreError, keys};

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureOrigin {
    /// The person who connected a channel, by Meta's data-deletion callback.
    Callback,
    /// An operator, with `ops erase`.
    Operator,
}

/// The record of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Who asked for it.
    pub origin: String,
    /// When, RFC 3339.
    pub requested_at: String,
    /// When the dispatchers had gone through the dead letters; until then it is pending.
    pub done_at: Option<String>,
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
    /// The channels that a person connected, as Meta's callbacks name them.
    pub async fn addresses_of(&self, app_user_id: &str) -> Result<Vec<Address>, StoreError> {
        let fields = self.one(keys::user(app_user_id)).await?;
        Ok(fields.into_keys().map(Address::new).collect())
    }

    /// The code under which a person's deletion is known: the same for as long as Meta may ask again.
    pub async fn deletion_code(&self, app_user_id: &str, fresh: &str) -> Result<String, StoreError> {
        let key = keys::deletion(app_user_id);
        let keep = |mut fields: Fields| {
            fields.entry("code".to_owned()).or_insert_with(|| fresh.to_owned());
            fields
        };
        self.replace(&key, keys::ERASED_TIME, keep).await?;
        let fields = self.one(key).await?;
        Ok(fields.get("code").cloned().unwrap_or_else(|| fresh.to_owned()))
    }

    /// Erases channels (with their tokens, an account with its last one, and the links of their tenants that are still
    /// open) and conversations (lanes). Written down first, so that a stop half way is gone on with; may be asked again
    /// with the same code.
    pub async fn erase(
        &self,
        (code, origin): (&str, ErasureOrigin),
        (channels, lanes): (&[Address], &[String]),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_down(code, origin, now).await?;
        for lane in lanes {
            self.mark_erased(lane).await?;
        }
        let mut tenants = BTreeSet::new();
        for address in channels {
            tenants.extend(self.get(address).await?.map(|record| record.tenant));
            // Marked before it is removed: an event of an unknown channel would be kept for a person to look at.
            for marked in self.along_with(address).await? {
                self.mark_erased(marked.as_str()).await?;
            }
            let erase = |changes: &mut Changes| {
                changes::erase(changes, address, now);
                Ok(())
            };
            self.change(vec![keys::channel(address)], erase).await?;
        }
        self.end_tickets(&tenants).await?;
        // Only now may the dispatchers look: before, they would have found nothing marked.
        let pend = |mut fields: Fields| {
            fields.insert(code.to_owned(), now.to_string());
            fields
        };
        self.replace(keys::ERASURES_PENDING, Duration::ZERO, pend).await
    }

    async fn write_down(&self, code: &str, origin: ErasureOrigin, now: Timestamp) -> Result<(), StoreError> {
        let fields = [("origin", origin.as_str().to_owned()), ("requested_at", now.to_string())];
        let fields: Fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.replace(&keys::erasure(code), keys::ERASURE_RECORD_TIME, |_| fields.clone()).await
    }

    /// The channel, what belongs to it, and its account if this is the account's last channel.
    async fn along_with(&self, address: &Address) -> Result<Vec<Address>, StoreError> {
        let Some(record) = self.get(address).await? else { return Ok(vec![address.clone()]) };
        let mut all = [vec![address.clone()], record.channels].concat();
        if let Some(account) = record.account_id.map(|id| Address::of(Family::WhatsAppAccount, &id))
            && let Some(account_record) = self.get(&account).await?
            && account_record.channels.iter().all(|member| all.contains(member))
        {
            all.push(account);
        }
        Ok(all)
    }

    /// The record of an erasure.
    pub async fn erasure(&self, code: &str) -> Result<Option<Erasure>, StoreError> {
        let mut fields = self.one(keys::erasure(code)).await?;
        Ok(fields.remove("requested_at").map(|requested_at| Erasure {
            origin: fields.remove("origin").unwrap_or_default(),
            requested_at,
            done_at: fields.remove("done_at"),
        }))
    }

    /// The erasures that the dispatchers have not carried out yet: their codes, and when each was asked for.
    pub async fn pending_erasures(&self) -> Result<Vec<(String, String)>, StoreError> {
        let fields = self.one(keys::ERASURES_PENDING.to_owned()).await?;
        Ok(fields.into_iter().collect())
    }

    /// The dead letters were gone through. One that was asked for again meanwhile stays pending.
    pub async fn finish_erasure(&self, code: &str, asked_at: &str, now: Timestamp) -> Result<(), StoreError> {
        let done = |mut fields: Fields| {
            if fields.get("requested_at").is_some_and(|at| at == asked_at) {
                fields.insert("done_at".to_owned(), now.to_string());
            }
            fields
        };
        self.replace(&keys::erasure(code), keys::ERASURE_RECORD_TIME, done).await?;
        let settle = |mut fields: Fields| {
            if fields.get(code).is_some_and(|at| at == asked_at) {
                fields.remove(code);
            }
            fields
        };
        self.replace(keys::ERASURES_PENDING, Duration::ZERO, settle).await
    }
}
