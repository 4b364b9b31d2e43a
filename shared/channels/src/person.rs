//! What a person at Meta may ask of the channels that they have connected: to withdraw, and to have everything deleted. A
//! request changes nothing of what was connected after it, by somebody else, or with another app.

use event::Address;
use jiff::Timestamp;

use crate::app_user::AppUser;
use crate::changes::users::{PastConnection, removed_channels};
use crate::changes::{self, Removal};
use crate::erasure_records::{Beginning, ErasureOrigin};
use crate::erasures::ErasureRequest;
use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::keys;
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};
use crate::update::Decision;

/// A request in the name of a person at Meta.
#[derive(Clone, Copy, Debug)]
pub struct PersonRequest<'a> {
    /// The person.
    pub person: AppUser<'a>,
    /// When the person asked.
    pub asked_at: Timestamp,
}

impl ChannelStore {
    /// Removes the channels that a person has connected, and says how many these were.
    pub async fn withdraw(&self, request: PersonRequest<'_>, now: Timestamp) -> Result<usize, StoreError> {
        let PersonRequest { person, asked_at } = request;
        let hashing = self.hashing().await?;
        let mut removed = 0;
        for address in self.connected_by(request).await? {
            let removal = Removal { hashing: &hashing, address: &address, person: Some(person), until: asked_at, now };
            let is_removed = self.change_channels(&hashing, vec![keys::channel(&address)], |transaction| {
                Ok(Decision::Write(changes::remove(transaction, removal)))
            });
            removed += usize::from(is_removed.await?);
        }
        Ok(removed)
    }

    /// Erases what a person has connected, because Meta calls for them.
    pub async fn delete_person(
        &self,
        request: PersonRequest<'_>,
        fresh_code: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        self.erase_person(request, ErasureOrigin::Callback, fresh_code, now).await
    }

    /// The channels that a request of this person concerns: those that they have connected, or had connected until they were
    /// removed.
    pub async fn channels_of(&self, request: PersonRequest<'_>) -> Result<Vec<Address>, StoreError> {
        let mut channels = self.connected_by(request).await?;
        channels.extend(self.removed_of(request).await?);
        channels.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        channels.dedup();
        Ok(channels)
    }

    /// Erases what a person has connected, or had connected until it was removed, and returns the code under which that is
    /// recorded: `fresh_code` the first time, and then the same for as long as Meta may ask again.
    pub async fn erase_person(
        &self,
        request: PersonRequest<'_>,
        origin: ErasureOrigin,
        fresh_code: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let code = self.deletion_code(request.person, fresh_code).await?;
        let channels = self.channels_of(request).await?;
        let has_connected_since = self.has_connected_since(request).await?;
        let beginning = Beginning { code: &code, origin, found: channels.len(), has_connected_since };
        if channels.is_empty() {
            self.note_nothing_to_erase(beginning, now).await?;
        } else {
            self.begin_erasure(beginning, now).await?;
            let until = Some(request.asked_at);
            let erasure = ErasureRequest { code: &code, origin, channels: &channels, lanes: &[], until };
            self.erase_for(&erasure, Some(request.person), now).await?;
        }
        Ok(code)
    }

    /// The channels that a person had connected when they asked, and that are still connected by them.
    async fn connected_by(&self, request: PersonRequest<'_>) -> Result<Vec<Address>, StoreError> {
        let connected = self.connected_now_by(request.person).await?;
        let concerned =
            connected.into_iter().filter(|(_, fields)| !changes::was_connected_after(fields, request.asked_at));
        Ok(concerned.map(|(address, _)| address).collect())
    }

    /// Whether the person has connected a channel since they asked, though it may have been removed again.
    async fn has_connected_since(&self, request: PersonRequest<'_>) -> Result<bool, StoreError> {
        let connected = self.connected_now_by(request.person).await?;
        if connected.iter().any(|(_, fields)| changes::was_connected_after(fields, request.asked_at)) {
            return Ok(true);
        }
        let removed = self.past_connections_of(request.person).await?;
        Ok(removed.iter().any(|(_, past)| !past.began_by(request.asked_at)))
    }

    /// The channels that are connected by a person, with their records.
    async fn connected_now_by(&self, person: AppUser<'_>) -> Result<Vec<(Address, Fields)>, StoreError> {
        // Also those of the person whom another app knows by the same id.
        let addresses: Vec<Address> =
            self.read_one(keys::user(person.id)).await?.into_keys().map(Address::new).collect();
        let hashing = self.hashing().await?;
        let records = self.read(addresses.iter().map(keys::channel).collect()).await?;
        let is_theirs = |address: &Address, fields: &Fields| {
            changes::is_connected(fields) && person.has_connected(address, fields, &hashing)
        };
        Ok(addresses.into_iter().zip(records).filter(|(address, fields)| is_theirs(address, fields)).collect())
    }

    /// The channels that a person had connected when they asked, and that were removed since.
    async fn removed_of(&self, request: PersonRequest<'_>) -> Result<Vec<Address>, StoreError> {
        let removed = self.past_connections_of(request.person).await?;
        let concerned = removed.into_iter().filter(|(_, past)| past.began_by(request.asked_at));
        Ok(concerned.map(|(address, _)| address).collect())
    }

    /// What is known of the channels that a person had connected and that were removed, under each hash of the person.
    async fn past_connections_of(&self, person: AppUser<'_>) -> Result<Vec<(Address, PastConnection)>, StoreError> {
        let hashing = self.hashing().await?;
        let noted = self.read_removed(&person.hashes(&hashing)).await?;
        let noted_without_app = self.read_removed(&person.hashes_without_app(&hashing)).await?;
        let may_be_theirs = |removed: &(Address, PastConnection)| person.may_have_connected(&removed.0);
        let without_app = noted_without_app.iter().flat_map(removed_channels).filter(may_be_theirs);
        Ok(noted.iter().flat_map(removed_channels).chain(without_app).collect())
    }

    async fn read_removed(&self, user_hashes: &[String]) -> Result<Vec<Fields>, StoreError> {
        self.read(user_hashes.iter().map(|user_hash| keys::removed_of(user_hash)).collect()).await
    }

    /// The code under which the person's deletion is recorded. One of an older release, which did not note the app, goes to
    /// the first who asks.
    async fn deletion_code(&self, person: AppUser<'_>, fresh: &str) -> Result<String, StoreError> {
        let user_hashes = person.all_hashes(&self.hashing().await?);
        let keys: Vec<String> = user_hashes.iter().map(|user_hash| keys::deletion(user_hash)).collect();
        let keep_or_set = |transaction: &mut Transaction| {
            let known = keys.iter().find_map(|key| transaction.hash(key).fields.remove(fields::CODE));
            let code = known.unwrap_or_else(|| fresh.to_owned());
            let record = transaction.hash(&keys[0]);
            record.lifetime = Lifetime::Limited(keys::ERASED_TIME);
            fields::set(&mut record.fields, fields::CODE, &code);
            Ok(Decision::Write(code))
        };
        self.update(keys.clone(), keep_or_set).await
    }
}
