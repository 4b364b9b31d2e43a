//! Records on their way into a backup and back, with the erasures that a backup must not undo. The records are the only
//! copy of the tokens, and open nothing without the key ring.

use std::collections::BTreeMap;

use chassis::{Problem, now};
use event::Address;
use jiff::{SignedDuration, Timestamp};

use crate::app_user::Connector;
use crate::changes::restore::{Restored, restore};
use crate::changes::{self, Removal, users};
use crate::customer::check_tenant;
use crate::erasure_keys::NEEDED_TIME;
use crate::erasure_records::{Beginning, ErasureOrigin};
use crate::erasures::new_erasure_code;
use crate::error::StoreError;
use crate::fields::{self, Fields, text};
use crate::hashing::Hashing;
use crate::keys;
use crate::record;
use crate::saved::{SavedErasure, SavedErasures, SavedRecord, is_recognised};
use crate::store::ChannelStore;
use crate::update::Decision;

/// What became of a record of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is stored.
    Stored,
    /// It is stored in place of an older one.
    Replaced,
    /// There is a record already; it is no older, and stays as it is.
    Present,
    /// It was erased after it was connected.
    Erased,
    /// It is not stored, because a tenant has no such name: the text says why.
    Refused(String),
}

impl ChannelStore {
    /// Every record, in the order of the addresses.
    pub async fn export(&self) -> Result<Vec<SavedRecord>, StoreError> {
        let records = self.read_channels().await?;
        let keys = self.export_erasure_keys().await?;
        let saved = records.into_iter().filter_map(|(key, mut fields)| {
            // A person whose hash nobody can compare any more is found by nobody.
            if fields.get(fields::APP_USER_HASH).is_some_and(|user_hash| !is_recognised(user_hash, &keys)) {
                fields.remove(fields::APP_USER_HASH);
            }
            key.strip_prefix(keys::CHANNEL).map(|address| SavedRecord { address: address.to_owned(), fields })
        });
        Ok(saved.collect())
    }

    /// Every hold, every erasure that still holds (one that an older release marked holds for what was received until now),
    /// and who had connected which channel in the last 30 days.
    pub async fn export_erasures(&self) -> Result<SavedErasures, StoreError> {
        let mut former = self.export_former(now()).await?;
        let markers = self.erasures().await?;
        let mut holds = self.export_holds(now()).await?;
        // Read afterwards, so that nothing lacks its key.
        let keys = self.export_erasure_keys().await?;
        let erasures = markers.into_iter().filter_map(|(key, until)| {
            let erased = key.strip_prefix(keys::ERASED).filter(|hash| is_recognised(hash, &keys))?.to_owned();
            let until = until.parse().unwrap_or_else(|_| now());
            Some(SavedErasure { erased, until: until.to_string() })
        });
        holds.retain(|hold| is_recognised(&hold.held, &keys));
        former.retain(|former| is_recognised(&former.person, &keys));
        Ok(SavedErasures { erasures: erasures.collect(), holds, former, keys })
    }

    /// Stores the erasures of an export, of which the store may have later ones, and removes what had been connected by
    /// then: an older export may have brought it back. Returns how many records that were. The dispatchers look through the
    /// dead letters once more. Notes who had connected channels before, unless everything of theirs was erased. Do it before
    /// the records of the same export are imported.
    pub async fn import_erasures(
        &self,
        saved: &SavedErasures,
        code: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.import_erasure_keys(&saved.keys, now).await?;
        let hashing = self.hashing().await?;
        let erased = saved.erasures.iter().map(|erasure| &erasure.erased);
        for hash in erased.chain(saved.former.iter().map(|former| &former.person)) {
            hashing.check_known(hash)?;
        }
        let removed = self.carry_out(&saved.erasures, &hashing, code, now).await?;
        self.import_former(&saved.former, now).await?;
        Ok(removed)
    }

    /// Stores erasures, and removes what they concern. Returns how many records that were.
    async fn carry_out(
        &self,
        erasures: &[SavedErasure],
        hashing: &Hashing,
        code: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut erased = BTreeMap::new();
        for erasure in erasures {
            let latest = erased.entry(erasure.erased.to_ascii_lowercase()).or_default();
            *latest = erasure.time().max(*latest);
        }
        if erased.is_empty() {
            return Ok(0);
        }
        let beginning =
            Beginning { code, origin: ErasureOrigin::Operator, found: erased.len(), has_connected_since: false };
        self.begin_erasure(beginning, now).await?;
        let time = SignedDuration::try_from(keys::ERASED_TIME).unwrap_or(SignedDuration::MAX);
        let still_holds = |until: &Timestamp| now.duration_since(*until) < time;
        let holding = || erased.iter().filter_map(|(hash, until)| Some((hash, until.filter(still_holds)?)));
        if holding().any(|(hash, _)| keys::hash_key_id(hash).is_none()) {
            self.honour_plain_until(now.saturating_add(NEEDED_TIME).unwrap_or(Timestamp::MAX)).await?;
        }
        for (hash, until) in holding() {
            self.raise_erasure(keys::erased(hash), until).await?;
        }
        let mut removed = 0;
        // Also what was hashed without a key so long ago that the store does not look for it.
        let hashing = hashing.clone().and_plain();
        for present in self.export().await? {
            let hashes = hashing.all(&present.address);
            let until = hashes.iter().filter_map(|hash| erased.get(hash).copied().flatten()).max();
            if let Some(until) = until.filter(|until| present.was_connected_by(*until)) {
                self.remove_erased(&Address::new(present.address), until, now).await?;
                removed += 1;
            }
        }
        self.await_dispatchers(code, &now.to_string()).await?;
        Ok(removed)
    }

    /// Removes the record of a channel that is marked as erased, as an erasure does.
    async fn remove_erased(&self, address: &Address, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let hashing = self.hashing().await?;
        let removal = Removal { hashing: &hashing, address, person: None, until, now };
        self.change_channels(&hashing, vec![keys::channel(address)], |transaction| {
            changes::erase::erase(transaction, removal);
            Ok(Decision::Write(()))
        })
        .await
    }

    /// Stores a record of an export, unless the store has one that is no older, or it was erased since it was connected.
    pub async fn import(&self, saved: &SavedRecord, now: Timestamp) -> Result<Imported, StoreError> {
        let address = Address::new(saved.address.as_str());
        if self.is_erased(saved, &address).await? {
            return Ok(Imported::Erased);
        }
        if let Some(problem) = self.refused_tenant(saved, &address).await? {
            return Ok(Imported::Refused(problem.to_string()));
        }
        let fields = self.without_erased_channels(saved).await?;
        let hashing = self.hashing().await?;
        self.recognise_person(saved, &hashing).await?;
        let mut read = vec![keys::INITIALISED.to_owned(), keys::channel(&address)];
        read.extend(hashing.markers(address.as_str()));
        read.push(keys::ERASURES_PENDING.to_owned());
        read.extend(Connector::from_fields(&saved.fields).iter().flat_map(|who| users::keys_of(&hashing, who)));
        read.extend(saved.fields.get(fields::APP_USER_HASH).map(|user_hash| keys::removed_of(user_hash)));
        let code = new_erasure_code();
        let restore = self.change_channels(&hashing, read, |transaction| {
            let restored = restore(transaction, &hashing, &address, &fields, now);
            if restored == (Restored::Replaced { had_another: true }) {
                fields::set(&mut transaction.hash(keys::ERASURES_PENDING).fields, &code, now);
            }
            Ok(if restored == Restored::No { Decision::Abandon(restored) } else { Decision::Write(restored) })
        });
        let imported = match restore.await? {
            Restored::No => return Ok(Imported::Present),
            Restored::Replaced { .. } => Imported::Replaced,
            Restored::New => Imported::Stored,
        };
        // An erasure that began meanwhile has marked the channel first, and may have found no record to remove.
        match self.erased_until(&address).await?.filter(|until| saved.was_connected_by(*until)) {
            None => Ok(imported),
            Some(until) => self.remove_erased(&address, until, now).await.map(|()| Imported::Erased),
        }
    }

    /// What is wrong with the tenant's name, unless the store has the channel under that name already.
    async fn refused_tenant(&self, saved: &SavedRecord, address: &Address) -> Result<Option<Problem>, StoreError> {
        let tenant = text(&saved.fields, fields::TENANT);
        let Err(problem) = check_tenant(tenant.as_deref().unwrap_or_default()) else { return Ok(None) };
        let present = self.read_one(keys::channel(address)).await?;
        Ok(Some(problem).filter(|_| text(&present, fields::TENANT) != tenant))
    }

    /// Has the person recognised who had connected the channel of a tombstone, for as long as the tombstone lasts.
    async fn recognise_person(&self, saved: &SavedRecord, hashing: &Hashing) -> Result<(), StoreError> {
        let Some(user_hash) = saved.fields.get(fields::APP_USER_HASH) else { return Ok(()) };
        hashing.check_known(user_hash)?;
        match changes::time(&saved.fields, fields::UPDATED_AT) {
            Some(removed_at) if keys::hash_key_id(user_hash).is_none() => {
                self.honour_plain_until(removed_at.saturating_add(NEEDED_TIME).unwrap_or(Timestamp::MAX)).await
            }
            _ => Ok(()),
        }
    }

    async fn is_erased(&self, saved: &SavedRecord, address: &Address) -> Result<bool, StoreError> {
        Ok(self.erased_until(address).await?.is_some_and(|until| saved.was_connected_by(until)))
    }

    /// The fields of a saved record. An account names none of the channels that were erased after the last of its channels
    /// was connected: one that is named in spite of an earlier erasure was connected again.
    async fn without_erased_channels(&self, saved: &SavedRecord) -> Result<Fields, StoreError> {
        let mut fields = saved.fields.clone();
        let mut channels = record::channels(&fields);
        for channel in channels.clone() {
            if self.is_erased(saved, &channel).await? {
                channels.retain(|kept| *kept != channel);
                record::set_channels(&mut fields, &channels);
            }
        }
        Ok(fields)
    }
}
