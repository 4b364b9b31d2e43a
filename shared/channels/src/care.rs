//! What care for a channel's token at Meta changes in its record, and the lease by which one process at a time does it.
//! Each change is decided on a token, and written only while that token is still the stored one.

use std::time::Duration;

use event::Address;
use jiff::{SignedDuration, Timestamp};

use crate::changes::Write;
use crate::record::{self, Fields};
use crate::{ChannelState, ChannelStore, Sealed, StoreError, keys};

impl ChannelStore {
    /// Stores the token that Meta gave for this one. `false`: it is no longer the stored one, and nothing was written.
    pub async fn replace_access_token(
        &self,
        (address, old): (&Address, &Sealed),
        (new, expires_at): (&Sealed, Timestamp),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.with_token(address, old, |fields| {
            fields.insert("access_token".to_owned(), new.as_str().to_owned());
            fields.insert("access_token_expires_at".to_owned(), expires_at.to_string());
            set_state(fields, ChannelState::Connected);
            fields.insert("updated_at".to_owned(), now.to_string());
        })
        .await
    }

    /// Meta was asked about the token and accepts it, until then (`None`: for ever).
    pub async fn access_token_is_valid(
        &self,
        (address, token): (&Address, &Sealed),
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.with_token(address, token, |fields| {
            match expires_at {
                Some(at) => fields.insert("access_token_expires_at".to_owned(), at.to_string()),
                None => fields.remove("access_token_expires_at"),
            };
            set_state(fields, ChannelState::Connected);
            fields.insert("checked_at".to_owned(), now.to_string());
        })
        .await
    }

    /// The token no longer works: its owner has to connect the channel again. Events are delivered all the same.
    pub async fn access_token_is_dead(
        &self,
        (address, token): (&Address, &Sealed),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.with_token(address, token, |fields| {
            if set_state(fields, ChannelState::ReconnectNeeded) {
                fields.insert("updated_at".to_owned(), now.to_string());
            }
            fields.insert("checked_at".to_owned(), now.to_string());
        })
        .await
    }

    /// Changes a record, unless the channel was removed or has another token by now.
    async fn with_token(
        &self,
        address: &Address,
        token: &Sealed,
        change: impl Fn(&mut Fields),
    ) -> Result<bool, StoreError> {
        let key = keys::channel(address);
        for _ in 0..Self::TRIES_MAX {
            let before = self.one(key.clone()).await?;
            let is_the_same = before.get("access_token").is_some_and(|stored| stored == token.as_str());
            if !is_the_same || record::state(&before) == Ok(ChannelState::Disconnected) {
                return Ok(false);
            }
            let mut after = before.clone();
            change(&mut after);
            if self.commit(vec![Write { key: key.clone(), before, after, expires: 0 }]).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Conflict)
    }

    /// Takes or keeps the right to do something for a time, by the clocks of those who ask. `false`: another has it.
    pub async fn lease(
        &self,
        (name, holder): (&str, &str),
        time: Duration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = keys::lease(name);
        let before = self.one(key.clone()).await?;
        let is_over = before.get("until").and_then(|at| at.parse::<Timestamp>().ok()).is_none_or(|until| until <= now);
        if !is_over && before.get("holder").is_some_and(|other| other != holder) {
            return Ok(false);
        }
        let until = now.saturating_add(SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX));
        let until = until.unwrap_or(Timestamp::MAX);
        let after = [("holder", holder.to_owned()), ("until", until.to_string())];
        let after = after.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.commit(vec![Write { key, before, after, expires: time.as_secs() }]).await
    }
}

/// Whether it was another one.
fn set_state(fields: &mut Fields, state: ChannelState) -> bool {
    let before = fields.insert("state".to_owned(), state.as_str().to_owned());
    before.as_deref() != Some(state.as_str())
}
