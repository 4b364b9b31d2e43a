//! What adding, restoring, removing and erasing a channel changes in its record, its account's record and its user's hash.
//! These functions only change a transaction: they read nothing from the store and write nothing to it.

use event::{Address, Family};
use jiff::Timestamp;

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::keys;
use crate::record::{self, ChannelState, NewChannel};
use crate::transaction::{Hash, Lifetime, Transaction};

#[cfg(test)]
mod tests;

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
const KEPT_BY_TOMBSTONE: [&str; 2] = [fields::TENANT, fields::ACCOUNT_ID];
/// The fields that a removed account keeps, so that DSK learns of what becomes of the account at Meta.
const KEPT_BY_TOMBSTONE_OF_ACCOUNT: [&str; 7] = SHARED_WITH_ACCOUNT;

/// The keys that have to be read before a channel is added.
pub(crate) fn keys_to_add(channel: &NewChannel) -> Vec<String> {
    let mut keys = vec![keys::INITIALISED.to_owned(), keys::channel(&channel.address)];
    keys.extend(account_of(&channel.address, channel.account_id.as_ref()).map(|account| keys::channel(&account)));
    keys.extend(channel.app_user_id.iter().map(|user| keys::user(user)));
    keys
}

/// The accounts, channels and users that the records in the transaction name, and that are still to be read.
pub(crate) fn unread(transaction: &Transaction) -> Vec<String> {
    let mut named = Vec::new();
    for (key, fields) in transaction.as_read() {
        let Some(address) = key.strip_prefix(keys::CHANNEL).map(Address::new) else { continue };
        named.extend(record::channels(fields).iter().map(keys::channel));
        named.extend(account_of(&address, fields.get(fields::ACCOUNT_ID)).map(|account| keys::channel(&account)));
        named.extend(fields.get(fields::APP_USER_ID).map(|user| keys::user(user)));
    }
    named.retain(|key| !transaction.contains(key));
    named.sort_unstable();
    named.dedup();
    named
}

/// Stores a channel, its account and its user. A channel or account of another tenant is refused.
pub(crate) fn add(transaction: &mut Transaction, channel: &NewChannel, now: Timestamp) -> Result<(), StoreError> {
    initialise(transaction, now);

    let given = channel.fields();
    let hash = transaction.hash(&keys::channel(&channel.address));
    let previous_user = hash.fields.get(fields::APP_USER_ID).cloned();
    connect(hash, &channel.address, &given, now)?;
    if let Some(account) = account_of(&channel.address, channel.account_id.as_ref()) {
        let hash = transaction.hash(&keys::channel(&account));
        let mut shared = given;
        shared.retain(|name, _| SHARED_WITH_ACCOUNT.contains(&name.as_str()));
        connect(hash, &account, &shared, now)?;
        let mut channels = record::channels(&hash.fields);
        if !channels.contains(&channel.address) {
            channels.push(channel.address.clone());
        }
        record::set_channels(&mut hash.fields, &channels);
    }
    if let Some(user) = &channel.app_user_id {
        if let Some(previous) = previous_user.filter(|previous| previous != user) {
            transaction.hash(&keys::user(&previous)).fields.remove(channel.address.as_str());
        }
        add_to_user(transaction, user, &channel.address, now);
    }
    Ok(())
}

/// Stores a record of a backup. `false`: there is a record already, which stays as it is.
pub(crate) fn restore(transaction: &mut Transaction, address: &Address, saved: &Fields, now: Timestamp) -> bool {
    let hash = transaction.hash(&keys::channel(address));
    if !hash.fields.is_empty() {
        return false;
    }
    hash.fields.clone_from(saved);
    if is_disconnected(saved) {
        hash.lifetime = Lifetime::Limited(keys::TOMBSTONE_TIME);
    }
    initialise(transaction, now);
    if let Some(user) = saved.get(fields::APP_USER_ID) {
        add_to_user(transaction, user, address, now);
    }
    true
}

/// What is removed, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal<'a> {
    /// A channel, or an account with its channels.
    pub(crate) address: &'a Address,
    /// What was connected later stays.
    pub(crate) until: Timestamp,
    /// The time of the change.
    pub(crate) now: Timestamp,
}

/// Removes a channel, or an account with its channels. `false`: there was nothing that had been connected by then.
pub(crate) fn remove(transaction: &mut Transaction, removal: Removal<'_>) -> bool {
    let whole = transaction.hash(&keys::channel(removal.address)).fields.clone();
    let channels = record::channels(&whole);
    if channels.is_empty() {
        return remove_one(transaction, removal, whole.get(fields::ACCOUNT_ID));
    }
    let (removed, kept): (Vec<_>, Vec<_>) =
        channels.into_iter().partition(|channel| leave_tombstone(transaction, Removal { address: channel, ..removal }));
    if kept.is_empty() {
        return leave_tombstone(transaction, removal) || !removed.is_empty();
    }
    record::set_channels(&mut transaction.hash(&keys::channel(removal.address)).fields, &kept);
    !removed.is_empty()
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

/// Removes a channel without a tombstone: the marker of its erasure takes that place.
pub(crate) fn erase(transaction: &mut Transaction, removal: Removal<'_>) {
    remove(transaction, removal);
    for (key, hash) in transaction.hashes_mut() {
        if key.starts_with(keys::CHANNEL) && is_disconnected(&hash.fields) {
            hash.fields.clear();
            hash.lifetime = Lifetime::Unlimited;
        }
    }
}

/// Notes that the store holds channels, or held them once.
fn initialise(transaction: &mut Transaction, now: Timestamp) {
    let hash = transaction.hash(keys::INITIALISED);
    hash.fields.entry(fields::INITIALISED_AT.to_owned()).or_insert_with(|| now.to_string());
}

fn add_to_user(transaction: &mut Transaction, user: &str, address: &Address, now: Timestamp) {
    let hash = transaction.hash(&keys::user(user));
    hash.fields.entry(address.to_string()).or_insert_with(|| now.to_string());
}

/// Fills a connected record with the given fields. A tombstone is replaced as a whole.
fn connect(hash: &mut Hash, address: &Address, given: &Fields, now: Timestamp) -> Result<(), StoreError> {
    let fields = &mut hash.fields;
    if is_disconnected(fields) {
        fields.clear();
    }
    if fields.get(fields::TENANT).is_some_and(|tenant| given.get(fields::TENANT) != Some(tenant)) {
        return Err(StoreError::OtherTenant { address: address.to_string() });
    }
    if given.contains_key(fields::ACCESS_TOKEN) {
        fields.retain(|name, _| !ABOUT_ACCESS_TOKEN.contains(&name.as_str()));
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
    let Removal { address, until, now } = removal;
    let hash = transaction.hash(&keys::channel(address));
    if hash.fields.is_empty() || is_disconnected(&hash.fields) || was_connected_after(&hash.fields, until) {
        return false;
    }
    let user = hash.fields.get(fields::APP_USER_ID).cloned();
    let kept = match address.family() {
        Family::WhatsAppAccount => &KEPT_BY_TOMBSTONE_OF_ACCOUNT[..],
        Family::WhatsApp | Family::Instagram | Family::Messenger | Family::Other => &KEPT_BY_TOMBSTONE,
    };
    hash.fields.retain(|name, _| kept.contains(&name.as_str()));
    fields::set(&mut hash.fields, fields::STATE, ChannelState::Disconnected.as_str());
    fields::set(&mut hash.fields, fields::UPDATED_AT, now);
    hash.lifetime = Lifetime::Limited(keys::TOMBSTONE_TIME);
    if let Some(user) = user {
        transaction.hash(&keys::user(&user)).fields.remove(address.as_str());
    }
    true
}

/// A record that does not say when its channel was connected was made by hand, and counts as old.
fn was_connected_after(fields: &Fields, at: Timestamp) -> bool {
    let connected_at = fields.get(fields::CONNECTED_AT).and_then(|connected_at| connected_at.parse::<Timestamp>().ok());
    connected_at.is_some_and(|connected_at| connected_at > at)
}

fn is_disconnected(fields: &Fields) -> bool {
    ChannelState::from_fields(fields) == Ok(ChannelState::Disconnected)
}

/// The account that a WhatsApp number belongs to. Other channels have none.
fn account_of(address: &Address, account_id: Option<&String>) -> Option<Address> {
    let is_number = address.family() == Family::WhatsApp;
    account_id.filter(|_| is_number).map(|id| Address::of(Family::WhatsAppAccount, id))
}
