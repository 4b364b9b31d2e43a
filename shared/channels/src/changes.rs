//! What adding, restoring and removing a channel changes in its record, its account's record and its users' hashes.
//! These functions only change a transaction: they read nothing from the store and write nothing to it.

use event::{Address, Family};
use jiff::Timestamp;

use crate::app_user::{AppUser, Connector};
use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::hashing::Hashing;
use crate::keys;
use crate::record::{self, ChannelState, NewChannel};
use crate::transaction::{Hash, Lifetime, Transaction};
use users::PastConnection;

pub(crate) mod erase;
pub(crate) mod marks;
pub(crate) mod restore;
#[cfg(test)]
mod tests;
pub(crate) mod users;

/// The fields that an account's record takes over from a channel's.
const SHARED_WITH_ACCOUNT: [&str; 7] = [
    fields::TENANT,
    fields::DSK_TOKEN,
    fields::DSK_URL,
    fields::SIGNING_SECRET,
    fields::REQUESTS_AT_ONCE,
    fields::REQUESTS_PER_SECOND,
    fields::ACCOUNT_ID,
];
/// The fields that describe an access token, and that a new token must not inherit.
const ABOUT_ACCESS_TOKEN: [&str; 2] = [fields::ACCESS_TOKEN_EXPIRES_AT, fields::CHECKED_AT];
/// The fields that a removed channel keeps.
const KEPT_BY_TOMBSTONE: [&str; 3] = [fields::TENANT, fields::ACCOUNT_ID, fields::CONNECTED_AT];

/// The keys that have to be read before a channel is added.
pub(crate) fn keys_to_add(hashing: &Hashing, channel: &NewChannel) -> Vec<String> {
    let mut keys = vec![keys::INITIALISED.to_owned()];
    for address in addresses_of(channel) {
        keys.push(keys::channel(&address));
        keys.extend(hashing.markers(address.as_str()));
    }
    keys.extend(Connector::from_fields(&channel.fields()).iter().flat_map(|who| users::keys_of(hashing, who)));
    keys
}

/// The accounts, channels and users that the records in the transaction name, and that are still to be read.
pub(crate) fn unread(transaction: &Transaction, hashing: &Hashing) -> Vec<String> {
    let mut named = Vec::new();
    for (key, fields) in transaction.as_read() {
        let Some(address) = key.strip_prefix(keys::CHANNEL).map(Address::new) else { continue };
        named.extend(record::channels(fields).iter().map(keys::channel));
        named.extend(account_of(&address, fields.get(fields::ACCOUNT_ID)).map(|account| keys::channel(&account)));
        named.extend(Connector::from_fields(fields).iter().flat_map(|who| users::keys_of(hashing, who)));
        named.extend(fields.get(fields::APP_USER_HASH).map(|user_hash| keys::removed_of(user_hash)));
    }
    named.retain(|key| !transaction.contains(key));
    named.sort_unstable();
    named.dedup();
    named
}

/// Stores a channel, its account and its user. A channel or account of another tenant is refused. `true`: another
/// tenant had one of them, and there may be dead letters of that tenant.
pub(crate) fn add(
    transaction: &mut Transaction,
    hashing: &Hashing,
    channel: &NewChannel,
    now: Timestamp,
) -> Result<bool, StoreError> {
    initialise(transaction, now);

    let given = channel.fields();
    let mut had_another = false;
    for address in addresses_of(channel) {
        had_another |= marks::withhold(transaction, hashing, &address, &given, now);
    }
    end_connection(transaction, hashing, &channel.address, now);
    let hash = transaction.hash(&keys::channel(&channel.address));
    connect(hash, &channel.address, &given, now)?;
    if channel.access_token.is_some() {
        hash.fields.retain(|name, _| !ABOUT_ACCESS_TOKEN.contains(&name.as_str()) || given.contains_key(name));
    }
    channel.seal_into(&mut hash.fields, &channel.address);
    if let Some(account) = account_of(&channel.address, channel.account_id.as_ref()) {
        let hash = transaction.hash(&keys::channel(&account));
        let mut shared = given;
        shared.retain(|name, _| SHARED_WITH_ACCOUNT.contains(&name.as_str()));
        connect(hash, &account, &shared, now)?;
        channel.seal_into(&mut hash.fields, &account);
        let mut channels = record::channels(&hash.fields);
        if !channels.contains(&channel.address) {
            channels.push(channel.address.clone());
        }
        record::set_channels(&mut hash.fields, &channels);
    }
    let user = transaction.hash(&keys::channel(&channel.address)).fields.get(fields::APP_USER_ID).cloned();
    if let Some(user) = user {
        users::connected(transaction, &user, &channel.address, now);
    }
    Ok(had_another)
}

/// What is removed, in whose name, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal<'a> {
    pub(crate) hashing: &'a Hashing,
    /// A channel, or an account with its channels.
    pub(crate) address: &'a Address,
    /// Whoever asks as this person at Meta has a say only in what this person has connected. `None`: the one who asks may
    /// remove it whoever has connected it.
    pub(crate) person: Option<AppUser<'a>>,
    /// What was connected later stays.
    pub(crate) until: Timestamp,
    /// The time of the change.
    pub(crate) now: Timestamp,
}

impl Removal<'_> {
    /// Whether it concerns what is stored for its address: somebody else may have connected the channel, or later.
    pub(crate) fn concerns(&self, fields: &Fields) -> bool {
        let is_theirs = self.person.is_none_or(|person| person.has_connected(self.address, fields, self.hashing));
        is_theirs && !was_connected_after(fields, self.until)
    }
}

/// Removes a channel, or an account with its channels. `false`: there was nothing that had been connected by then.
pub(crate) fn remove(transaction: &mut Transaction, removal: Removal<'_>) -> bool {
    let whole = transaction.hash(&keys::channel(removal.address)).fields.clone();
    let channels = record::channels(&whole);
    if channels.is_empty() {
        return removal.concerns(&whole) && remove_one(transaction, removal, whole.get(fields::ACCOUNT_ID));
    }
    let mut is_removed = false;
    let mut kept = Vec::new();
    for channel in channels {
        is_removed |= leave_tombstone(transaction, Removal { address: &channel, ..removal });
        if is_connected(&transaction.hash(&keys::channel(&channel)).fields) {
            kept.push(channel);
        }
    }
    if kept.is_empty() {
        // The account goes with its last channel, even if a channel that was removed before had been connected later.
        let until = if is_removed { Timestamp::MAX } else { removal.until };
        return leave_tombstone(transaction, Removal { until, ..removal }) || is_removed;
    }
    record::set_channels(&mut transaction.hash(&keys::channel(removal.address)).fields, &kept);
    is_removed
}

/// Removes a channel, and its account with the last one; or an account without channels.
fn remove_one(transaction: &mut Transaction, removal: Removal<'_>, account_id: Option<&String>) -> bool {
    let is_removed = leave_tombstone(transaction, removal);
    if let Some(account) = account_of(removal.address, account_id).filter(|_| is_removed) {
        let hash = transaction.hash(&keys::channel(&account));
        let mut channels = record::channels(&hash.fields);
        channels.retain(|channel| channel != removal.address);
        if channels.is_empty() {
            leave_tombstone(transaction, Removal { address: &account, until: Timestamp::MAX, ..removal });
        } else {
            record::set_channels(&mut hash.fields, &channels);
        }
    }
    is_removed
}

/// Notes that the store holds channels, or held them once.
fn initialise(transaction: &mut Transaction, now: Timestamp) {
    let hash = transaction.hash(keys::INITIALISED);
    hash.fields.entry(fields::INITIALISED_AT.to_owned()).or_insert_with(|| now.to_string());
}

/// Fills a connected record with the given fields, among which are no secrets. A tombstone is replaced as a whole.
fn connect(hash: &mut Hash, address: &Address, given: &Fields, now: Timestamp) -> Result<(), StoreError> {
    let fields = &mut hash.fields;
    if is_disconnected(fields) {
        fields.clear();
    }
    if fields.get(fields::TENANT).is_some_and(|tenant| given.get(fields::TENANT) != Some(tenant)) {
        return Err(StoreError::OtherTenant { address: address.to_string() });
    }
    // An id means nothing without the app that gave it, so another person's id does not inherit it.
    if given.get(fields::APP_USER_ID).is_some_and(|given| fields.get(fields::APP_USER_ID) != Some(given)) {
        fields.remove(fields::APP_ID);
    }
    fields.extend(given.clone());
    // Also of a channel that is connected already: a removal that happened before, and is told us later, must not end it.
    fields::set(fields, fields::CONNECTED_AT, now);
    fields::set(fields, fields::UPDATED_AT, now);
    fields::set(fields, fields::STATE, ChannelState::Connected.as_str());
    Ok(())
}

/// Replaces a record by a tombstone, which says whose channel it was and that it is gone, for as long as its events may
/// still arrive. `false` if no channel is stored for the address, or if it was connected later.
fn leave_tombstone(transaction: &mut Transaction, removal: Removal<'_>) -> bool {
    let Removal { hashing, address, until, now, .. } = removal;
    let hash = transaction.hash(&keys::channel(address));
    if !is_connected(&hash.fields) || was_connected_after(&hash.fields, until) {
        return false;
    }
    let user_hash = end_connection(transaction, hashing, address, now);
    let hash = transaction.hash(&keys::channel(address));
    // The record of a removed account keeps the way to DSK, so that DSK learns of what becomes of the account at Meta.
    let is_account = address.family() == Family::WhatsAppAccount;
    let is_kept = |name: &str| KEPT_BY_TOMBSTONE.contains(&name) || is_account && SHARED_WITH_ACCOUNT.contains(&name);
    hash.fields.retain(|name, _| is_kept(name));
    fields::set(&mut hash.fields, fields::STATE, ChannelState::Disconnected.as_str());
    fields::set(&mut hash.fields, fields::UPDATED_AT, now);
    hash.lifetime = Lifetime::Limited(keys::TOMBSTONE_TIME);
    if let Some(user_hash) = user_hash {
        fields::set(&mut hash.fields, fields::APP_USER_HASH, user_hash);
    }
    true
}

/// Notes that a person's connection of a channel ends: it is removed, or connected again. Returns what is left of them.
fn end_connection(
    transaction: &mut Transaction,
    hashing: &Hashing,
    address: &Address,
    now: Timestamp,
) -> Option<String> {
    let fields = &transaction.hash(&keys::channel(address)).fields;
    let connector = Connector::from_fields(fields)?;
    let past = PastConnection { connected_at: time(fields, fields::CONNECTED_AT), removed_at: now };
    Some(users::removed(transaction, hashing, &connector, address, past))
}

/// A record that does not say when its channel was connected was made by hand, and counts as old.
pub(crate) fn was_connected_after(fields: &Fields, at: Timestamp) -> bool {
    time(fields, fields::CONNECTED_AT).is_some_and(|connected_at| connected_at > at)
}

pub(crate) fn time(fields: &Fields, name: &str) -> Option<Timestamp> {
    fields.get(name).and_then(|time| time.parse().ok())
}

pub(crate) fn is_connected(fields: &Fields) -> bool {
    !fields.is_empty() && !is_disconnected(fields)
}

pub(crate) fn is_disconnected(fields: &Fields) -> bool {
    ChannelState::from_fields(fields) == Ok(ChannelState::Disconnected)
}

/// A channel, and its account if it has one.
fn addresses_of(channel: &NewChannel) -> impl Iterator<Item = Address> {
    let account = account_of(&channel.address, channel.account_id.as_ref());
    [channel.address.clone()].into_iter().chain(account)
}

/// The account that a WhatsApp number belongs to. Other channels have none.
fn account_of(address: &Address, account_id: Option<&String>) -> Option<Address> {
    let is_number = address.family() == Family::WhatsApp;
    account_id.filter(|_| is_number).map(|id| Address::of(Family::WhatsAppAccount, id))
}
