//! Erasures: what a person asked us to erase is marked and removed here, and the dispatchers carry it out in the queue.

use std::collections::BTreeSet;

use chassis::random;
use event::{Address, Family};
use jiff::Timestamp;

use crate::app_user::AppUser;
use crate::changes::Removal;
use crate::changes::marks::just_before;
use crate::erasure_records::{Beginning, ErasureOrigin};
use crate::error::StoreError;
use crate::store::ChannelStore;
use crate::update::Decision;
use crate::{changes, fields, keys};

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

/// In whose name an erasure is carried out, and until when.
#[derive(Clone, Copy, Debug)]
struct Scope<'a> {
    /// A person at Meta, whose say ends where somebody else has connected the channel.
    person: Option<AppUser<'a>>,
    /// What was connected later stays.
    until: Timestamp,
    now: Timestamp,
}

/// A code for an erasure, which nobody can guess.
pub fn new_erasure_code() -> String {
    hex::encode(random::<16>())
}

impl ChannelStore {
    /// Erases channels and conversations. The request is recorded first, so that it can be repeated with the same code
    /// if it stops half way.
    pub async fn erase(&self, request: &ErasureRequest<'_>, now: Timestamp) -> Result<(), StoreError> {
        let found = request.channels.len() + request.lanes.len();
        let beginning = Beginning { code: request.code, origin: request.origin, found, has_connected_since: false };
        self.begin_erasure(beginning, now).await?;
        self.erase_for(request, None, now).await
    }

    /// Erases what was recorded, in the name of a person at Meta or of nobody in particular.
    pub(crate) async fn erase_for(
        &self,
        request: &ErasureRequest<'_>,
        person: Option<AppUser<'_>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let scope = Scope { person, until: request.until.unwrap_or(Timestamp::MAX), now };
        if !request.lanes.is_empty() {
            self.mark_erased(keys::ANY_CONTACT, scope.until.min(now)).await?;
        }
        for lane in request.lanes {
            self.mark_erased(lane, scope.until.min(now)).await?;
        }
        let mut tenants = BTreeSet::new();
        for address in request.channels {
            tenants.extend(self.erase_channel(address, scope).await?);
        }
        self.end_tickets(&tenants).await?;
        self.await_dispatchers(request.code, &now.to_string()).await
    }

    /// Erases a channel, and returns the tenant whose channel it was. What was received for a newer connection stays.
    async fn erase_channel(&self, address: &Address, scope: Scope<'_>) -> Result<Option<String>, StoreError> {
        let Scope { person, until, now } = scope;
        let hashing = self.hashing().await?;
        let removal = Removal { hashing: &hashing, address, person, until, now };
        let fields = self.read_one(keys::channel(address)).await?;
        let stays = !fields.is_empty() && !removal.concerns(&fields);
        let received_until = match changes::time(&fields, fields::CONNECTED_AT) {
            Some(connected_at) if stays => until.min(just_before(connected_at)).min(now),
            _ if stays => until.min(now),
            // Also what was received since it was asked for: there is no connection for which it could be wanted.
            _ => now,
        };
        // Marked before it is removed: an event of an unknown channel would be kept for a person to look at. Those that
        // are received later are discarded, too, until the channel is connected again.
        for marked in self.erased_along_with(address).await? {
            self.mark_erased(marked.as_str(), received_until).await?;
        }
        let mut read = vec![keys::channel(address)];
        let user_hashes = person.iter().flat_map(|person| person.all_hashes(&hashing));
        read.extend(user_hashes.map(|user_hash| keys::removed_of(&user_hash)));
        self.change_channels(&hashing, read, |transaction| {
            changes::erase::erase(transaction, removal);
            Ok(Decision::Write(()))
        })
        .await?;
        Ok(fields::text(&fields, fields::TENANT).filter(|_| !stays))
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
}
