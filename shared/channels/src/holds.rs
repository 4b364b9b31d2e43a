//! Holds: what concerns a person who asked us to restrict the processing of their data (GDPR, Art. 18) is neither delivered
//! nor erased, but parked. An erasure wins over a hold.
//!
//! All holds are one hash, which is read with each look-up in the same round trip: there are few, and an event has more
//! names of its people than the lane that a marker of its own would be looked up by.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::erasure_keys::NEEDED_TIME;
use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::hashing::Hashing;
use crate::held::{Held, end};
use crate::keys;
use crate::store::ChannelStore;
use crate::transaction::Lifetime;
use crate::update::Decision;

/// Whoever is held is recognised by a key of erasures, which is kept for at least as long.
const _: () = assert!(NEEDED_TIME.unsigned_abs().as_secs() >= keys::HELD_TIME.as_secs());

/// A hold in an export, of which only a hash of the conversation's lane is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedHold {
    /// A hash of the conversation's lane.
    pub held: String,
    /// When the hold ends; RFC 3339.
    pub until: String,
}

/// What became of a wish to hold conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldOutcome {
    /// All of them are held until then.
    Until(Timestamp),
    /// None of them is held that was not before: there would be more than this.
    TooMany(usize),
}

impl SavedHold {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let is_whole = keys::is_hash(&self.held) && self.until.parse::<Timestamp>().is_ok();
        (!is_whole).then(|| "it is not the hash and the time of a hold".to_owned())
    }
}

impl ChannelStore {
    /// Holds conversations (lanes): from now on their events are neither delivered nor erased, for [`keys::HELD_TIME`].
    pub async fn hold(&self, lanes: &[String], now: Timestamp) -> Result<HoldOutcome, StoreError> {
        let hashing = self.hashing().await?;
        let until = now.saturating_add(held_time()).unwrap_or(Timestamp::MAX);
        let hold = |held: &mut Fields| {
            forget(held, &hashing, lanes);
            lanes.iter().for_each(|lane| fields::set(held, &hashing.hash(lane), until));
            if held.len() > keys::HELD_MAX {
                return Decision::Abandon(HoldOutcome::TooMany(keys::HELD_MAX));
            }
            Decision::Write(HoldOutcome::Until(until))
        };
        self.update_held(now, hold).await
    }

    /// Ends the holds of conversations, and says how many of these were held.
    pub async fn release(&self, lanes: &[String], now: Timestamp) -> Result<usize, StoreError> {
        let hashing = self.hashing().await?;
        self.update_held(now, |held| Decision::Write(forget(held, &hashing, lanes))).await
    }

    /// Everybody who is held.
    pub async fn held(&self, now: Timestamp) -> Result<Held, StoreError> {
        let hashing = self.hashing().await?;
        Ok(Held::of(&self.read_one(keys::HELD.to_owned()).await?, hashing, now))
    }

    /// Every hold, as an export has it.
    pub(crate) async fn export_holds(&self, now: Timestamp) -> Result<Vec<SavedHold>, StoreError> {
        let held = self.read_one(keys::HELD.to_owned()).await?;
        let holds = held.into_iter().map(|(held, until)| SavedHold { held, until });
        Ok(holds.filter(|hold| now < end(&hold.until)).collect())
    }

    /// Holds what an export held, after its erasures are imported, with which its keys come. Of two holds of one
    /// conversation the one that ends later stays. Returns how many were left out because there would be too many.
    pub async fn import_holds(&self, saved: &[SavedHold], now: Timestamp) -> Result<usize, StoreError> {
        let hashing = self.hashing().await?;
        let latest = now.saturating_add(held_time()).unwrap_or(Timestamp::MAX);
        let holds: Vec<_> = saved.iter().filter(|hold| now < end(&hold.until)).collect();
        for hold in &holds {
            hashing.check_known(&hold.held)?;
        }
        if holds.is_empty() {
            return Ok(0);
        }
        if holds.iter().any(|hold| keys::hash_key_id(&hold.held).is_none()) {
            self.honour_plain_until(now.saturating_add(NEEDED_TIME).unwrap_or(Timestamp::MAX)).await?;
        }
        let import = |held: &mut Fields| {
            let mut left_out = 0;
            for hold in &holds {
                let before = held.get(&hold.held).map(|until| end(until));
                if before.is_none() && held.len() >= keys::HELD_MAX {
                    left_out += 1;
                } else {
                    let until = end(&hold.until).min(latest).max(before.unwrap_or(Timestamp::MIN));
                    fields::set(held, &hold.held, until);
                }
            }
            Decision::Write(left_out)
        };
        self.update_held(now, import).await
    }

    /// Changes the holds, without those that are over.
    async fn update_held<T>(
        &self,
        now: Timestamp,
        decide: impl Fn(&mut Fields) -> Decision<T>,
    ) -> Result<T, StoreError> {
        let update = |held: &mut Fields| {
            held.retain(|_, until| now < end(until));
            decide(held)
        };
        self.update_hash(keys::HELD.to_owned(), Lifetime::Limited(keys::HELD_TIME), update).await
    }
}

fn held_time() -> SignedDuration {
    SignedDuration::try_from(keys::HELD_TIME).unwrap_or(SignedDuration::MAX)
}

/// Removes the holds of conversations, however they are hashed. Returns how many of these were held.
fn forget(held: &mut Fields, hashing: &Hashing, lanes: &[String]) -> usize {
    let mut forgotten = 0;
    for lane in lanes {
        let before = held.len();
        for hash in hashing.all(lane) {
            held.remove(&hash);
        }
        forgotten += usize::from(held.len() < before);
    }
    forgotten
}
