//! What the maintenance of access tokens changes in a record, and the lease that lets one process at a time do it. Each
//! change was decided on one token, and is written only while that token is still the stored one.

use std::time::Duration;

use event::Address;
use jiff::{SignedDuration, Timestamp};

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::keys;
use crate::place::Place;
use crate::record::ChannelState;
use crate::seal::{NewSecret, SealedSecret};
use crate::store::ChannelStore;
use crate::transaction::Lifetime;
use crate::update::Decision;

/// A channel's access token, as its record held it when it was read.
#[derive(Clone, Copy, Debug)]
pub struct StoredToken<'a> {
    /// The channel.
    pub address: &'a Address,
    /// Its access token.
    pub sealed: &'a SealedSecret,
}

/// The right to do something alone, for a time.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'a> {
    /// What the holder may do.
    pub name: &'a str,
    /// The process that wants to hold the lease.
    pub holder: &'a str,
    /// How long it lasts from the moment it is acquired or renewed.
    pub time: Duration,
}

impl ChannelStore {
    /// Stores the token that Meta gave us in exchange for `old`. `false`: `old` is no longer the stored token, and nothing
    /// was written.
    pub async fn replace_access_token(
        &self,
        old: StoredToken<'_>,
        new: &NewSecret,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let new = new.sealed_for(Place::access_token(old.address));
        self.update_if_stored(old, |fields| {
            fields::set(fields, fields::ACCESS_TOKEN, new.as_str());
            fields::set(fields, fields::ACCESS_TOKEN_EXPIRES_AT, expires_at);
            set_state(fields, ChannelState::Connected);
            fields::set(fields, fields::UPDATED_AT, now);
        })
        .await
    }

    /// Records that Meta accepts the token until `expires_at` (`None`: for ever). `false`: it is no longer the stored
    /// token, and nothing was written.
    pub async fn mark_access_token_valid(
        &self,
        token: StoredToken<'_>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.update_if_stored(token, |fields| {
            match expires_at {
                Some(at) => fields::set(fields, fields::ACCESS_TOKEN_EXPIRES_AT, at),
                None => drop(fields.remove(fields::ACCESS_TOKEN_EXPIRES_AT)),
            }
            set_state(fields, ChannelState::Connected);
            fields::set(fields, fields::CHECKED_AT, now);
        })
        .await
    }

    /// Records that the token no longer works, so that its owner has to connect the channel again. Events are delivered
    /// all the same. `false`: it is no longer the stored token, and nothing was written.
    pub async fn mark_access_token_dead(&self, token: StoredToken<'_>, now: Timestamp) -> Result<bool, StoreError> {
        self.update_if_stored(token, |fields| {
            if set_state(fields, ChannelState::ReconnectNeeded) {
                fields::set(fields, fields::UPDATED_AT, now);
            }
            fields::set(fields, fields::CHECKED_AT, now);
        })
        .await
    }

    /// Changes a record, unless the channel was removed or has another token by now.
    async fn update_if_stored(&self, token: StoredToken<'_>, change: impl Fn(&mut Fields)) -> Result<bool, StoreError> {
        let decide = |fields: &mut Fields| {
            let is_stored = fields.get(fields::ACCESS_TOKEN).is_some_and(|stored| stored == token.sealed.as_str());
            if !is_stored || ChannelState::from_fields(fields) == Ok(ChannelState::Disconnected) {
                return Decision::Abandon(false);
            }
            change(fields);
            Decision::Write(true)
        };
        self.update_hash(keys::channel(token.address), Lifetime::Unlimited, decide).await
    }

    /// Acquires a lease, or renews it for its holder. `false`: another process holds it. Whether a lease is over is
    /// judged by the clock of the process that asks.
    pub async fn acquire_lease(&self, lease: Lease<'_>, now: Timestamp) -> Result<bool, StoreError> {
        let time = SignedDuration::try_from(lease.time).unwrap_or(SignedDuration::MAX);
        let until = now.saturating_add(time).unwrap_or(Timestamp::MAX);
        let acquire = |fields: &mut Fields| {
            let ends_at = fields.get(fields::UNTIL).and_then(|at| at.parse::<Timestamp>().ok());
            let is_over = ends_at.is_none_or(|ends_at| ends_at <= now);
            if !is_over && fields.get(fields::HOLDER).is_some_and(|holder| holder != lease.holder) {
                return Decision::Abandon(false);
            }
            fields.clear();
            fields::set(fields, fields::HOLDER, lease.holder);
            fields::set(fields, fields::UNTIL, until);
            Decision::Write(true)
        };
        self.update_hash(keys::lease(lease.name), Lifetime::Limited(lease.time), acquire).await
    }
}

/// Sets the state, and returns whether it was a different one before.
fn set_state(fields: &mut Fields, state: ChannelState) -> bool {
    let before = fields.insert(fields::STATE.to_owned(), state.as_str().to_owned());
    before.as_deref() != Some(state.as_str())
}
