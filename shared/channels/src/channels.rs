//! Channels in the store: adding, removing, reading and listing them.

use event::Address;
use jiff::Timestamp;

use crate::changes::Removal;
use crate::erasures::new_erasure_code;
use crate::error::StoreError;
use crate::fields::Fields;
use crate::hashing::Hashing;
use crate::record::{ChannelRecord, NewChannel};
use crate::store::ChannelStore;
use crate::transaction::Transaction;
use crate::update::Decision;
use crate::{changes, endpoints, fields, keys};

impl ChannelStore {
    /// Stores a channel, or replaces what is stored about it: a rotated token holds from the next attempt.
    /// What was received for another tenant, who had the channel before, is discarded.
    pub async fn add(&self, channel: &NewChannel, now: Timestamp) -> Result<(), StoreError> {
        let hashing = self.hashing().await?;
        let mut read = changes::keys_to_add(&hashing, channel);
        read.push(keys::ERASURES_PENDING.to_owned());
        let code = new_erasure_code();
        self.change_channels(&hashing, read, |transaction| {
            if changes::add(transaction, &hashing, channel, now)? {
                fields::set(&mut transaction.hash(keys::ERASURES_PENDING).fields, &code, now);
            }
            Ok(Decision::Write(()))
        })
        .await
    }

    /// Removes a channel (or a WhatsApp account with all of its channels), so that its events are discarded.
    pub async fn remove(&self, address: &Address, now: Timestamp) -> Result<(), StoreError> {
        // Whatever was connected by then: even by a machine whose clock is ahead of ours.
        self.remove_until(address, Timestamp::MAX, now).await.map(drop)
    }

    /// Removes what was connected by `until`, when somebody removed it at Meta: news of that may come late, and must not
    /// end a newer connection. `false`: there was no such thing.
    pub async fn remove_until(&self, address: &Address, until: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let hashing = self.hashing().await?;
        let removal = Removal { hashing: &hashing, address, person: None, until, now };
        self.change_channels(&hashing, vec![keys::channel(address)], |transaction| {
            Ok(Decision::Write(changes::remove(transaction, removal)))
        })
        .await
    }

    /// One channel's record.
    pub async fn get(&self, address: &Address) -> Result<Option<ChannelRecord>, StoreError> {
        let fields = self.read_one(keys::channel(address)).await?;
        Ok((!fields.is_empty()).then(|| ChannelRecord::from_fields(address.clone(), &fields)))
    }

    /// Every record, in the order of the addresses.
    pub async fn list(&self) -> Result<Vec<ChannelRecord>, StoreError> {
        Ok(records(self.read_channels().await?))
    }

    /// The records of a tenant's connected channels, in the order of the addresses.
    pub async fn list_of(&self, tenant: &str) -> Result<Vec<ChannelRecord>, StoreError> {
        Ok(records(self.read_channels_of(tenant).await?))
    }

    /// Updates channels together with the accounts and users that their records name, and the count of endpoints.
    pub(crate) async fn change_channels<T>(
        &self,
        hashing: &Hashing,
        mut keys: Vec<String>,
        decide: impl Fn(&mut Transaction) -> Result<Decision<T>, StoreError>,
    ) -> Result<T, StoreError> {
        keys.push(keys::ENDPOINTS.to_owned());
        let decide_on_all = |transaction: &mut Transaction| {
            let unread = changes::unread(transaction, hashing);
            if !unread.is_empty() {
                return Ok(Decision::Read(unread));
            }
            let decision = decide(transaction)?;
            endpoints::count(transaction);
            Ok(decision)
        };
        self.update(keys, decide_on_all).await
    }
}

fn records(read: Vec<(String, Fields)>) -> Vec<ChannelRecord> {
    let record = |(key, fields): (String, Fields)| {
        let address = key.strip_prefix(keys::CHANNEL)?;
        Some(ChannelRecord::from_fields(Address::new(address), &fields))
    };
    read.into_iter().filter_map(record).collect()
}
