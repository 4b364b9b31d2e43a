//! What adding and removing a channel writes: pure, from the hashes as they are to the hashes as they shall be.

use std::collections::BTreeMap;
use std::time::Duration;

use event::{Address, Family};
use jiff::Timestamp;
use serde::Serialize;

use crate::record::{self, ChannelState, Fields, NewChannel};
use crate::{StoreError, keys};

/// One hash, replaced as a whole if it still is as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Write {
    #[serde(skip)]
    pub(crate) key: String,
    pub(crate) before: Fields,
    pub(crate) after: Fields,
    /// Seconds until it goes away by itself; 0 is never.
    pub(crate) expires: u64,
}

/// Hashes that were read together, changed together.
#[derive(Debug, Default)]
pub(crate) struct Changes(BTreeMap<String, Write>);

impl Changes {
    /// Takes note of a hash as it was read.
    pub(crate) fn read(&mut self, key: String, fields: Fields) {
        self.0.insert(key.clone(), Write { key, after: fields.clone(), before: fields, expires: 0 });
    }

    /// What has to be written.
    pub(crate) fn into_writes(self) -> Vec<Write> {
        self.0.into_values().filter(|write| write.before != write.after).collect()
    }

    /// The hashes that those already read speak of, and that have to be read as well.
    pub(crate) fn missing(&self) -> Vec<String> {
        let read = self.0.values().filter_map(|write| {
            let address = Address::new(write.key.strip_prefix(keys::CHANNEL)?);
            let fields = &write.before;
            let mut keys: Vec<String> = record::addresses(fields).iter().map(keys::channel).collect();
            keys.extend(account_of(&address, fields.get("account_id")).map(|account| keys::channel(&account)));
            keys.extend(fields.get("app_user_id").map(|user| keys::user(user)));
            Some(keys)
        });
        read.flatten().filter(|key| !self.0.contains_key(key)).collect()
    }

    fn hash(&mut self, key: &str) -> &mut Write {
        let empty = Write { key: key.to_owned(), before: Fields::new(), after: Fields::new(), expires: 0 };
        self.0.entry(key.to_owned()).or_insert(empty)
    }
}

/// The keys that adding a channel must read first.
pub(crate) fn read_to_add(channel: &NewChannel) -> Vec<String> {
    let mut keys = vec![keys::INITIALISED.to_owned(), keys::channel(&channel.address)];
    keys.extend(account_of(&channel.address, channel.account_id.as_ref()).map(|account| keys::channel(&account)));
    keys.extend(channel.app_user_id.iter().map(|user| keys::user(user)));
    keys
}

/// Stores a channel, its account and its user. A channel or account of another tenant is refused.
pub(crate) fn add(changes: &mut Changes, channel: &NewChannel, now: Timestamp) -> Result<(), StoreError> {
    let at = now.to_string();
    let initialised = changes.hash(keys::INITIALISED);
    initialised.after.entry("at".to_owned()).or_insert_with(|| at.clone());

    let given = channel.fields();
    let write = changes.hash(&keys::channel(&channel.address));
    let user_before = write.after.get("app_user_id").cloned();
    put(write, &given, (&channel.tenant, &at))?;
    if let Some(account) = account_of(&channel.address, channel.account_id.as_ref()) {
        let write = changes.hash(&keys::channel(&account));
        let shared = ["tenant", "dsk_token", "dsk_url", "signing_secret", "account_id"];
        let given = given.into_iter().filter(|(name, _)| shared.contains(&name.as_str())).collect();
        put(write, &given, (&channel.tenant, &at))?;
        let mut addresses = record::addresses(&write.after);
        if !addresses.contains(&channel.address) {
            addresses.push(channel.address.clone());
        }
        set_addresses(write, &addresses);
    }
    if let Some(user) = &channel.app_user_id {
        if let Some(before) = user_before.filter(|before| before != user) {
            changes.hash(&keys::user(&before)).after.remove(channel.address.as_str());
        }
        let user = changes.hash(&keys::user(user));
        user.after.entry(channel.address.to_string()).or_insert(at);
    }
    Ok(())
}

/// Stores a record of a backup, unless there is one.
pub(crate) fn restore(changes: &mut Changes, (address, fields): (&Address, &Fields), now: Timestamp) {
    let at = now.to_string();
    let write = changes.hash(&keys::channel(address));
    if !write.after.is_empty() {
        return;
    }
    write.after.clone_from(fields);
    if record::state(fields) == Ok(ChannelState::Disconnected) {
        write.expires = Duration::as_secs(&keys::TOMBSTONE_TIME);
    }
    changes.hash(keys::INITIALISED).after.entry("at".to_owned()).or_insert_with(|| at.clone());
    if let Some(user) = fields.get("app_user_id") {
        changes.hash(&keys::user(user)).after.entry(address.to_string()).or_insert(at);
    }
}

/// Fills a record. What is left of a removed channel is not built upon.
fn put(write: &mut Write, given: &Fields, (tenant, at): (&str, &str)) -> Result<(), StoreError> {
    if record::state(&write.after) == Ok(ChannelState::Disconnected) {
        write.after.clear();
    }
    if write.after.get("tenant").is_some_and(|holder| holder != tenant) {
        let address = write.key.strip_prefix(keys::CHANNEL).unwrap_or_default().to_owned();
        return Err(StoreError::OtherTenant { address });
    }
    if given.contains_key("access_token") {
        // They were the old one's.
        write.after.retain(|name, _| !["access_token_expires_at", "checked_at"].contains(&name.as_str()));
    }
    write.after.extend(given.clone());
    write.after.entry("connected_at".to_owned()).or_insert_with(|| at.to_owned());
    write.after.insert("updated_at".to_owned(), at.to_owned());
    write.after.insert("state".to_owned(), ChannelState::Connected.as_str().to_owned());
    Ok(())
}

/// Removes a channel, or an account with all of its channels.
pub(crate) fn remove(changes: &mut Changes, address: &Address, now: Timestamp) {
    let whole = changes.hash(&keys::channel(address)).after.clone();
    for member in record::addresses(&whole) {
        bury(changes, &member, now);
    }
    bury(changes, address, now);
    let Some(account) = account_of(address, whole.get("account_id")) else { return };
    let write = changes.hash(&keys::channel(&account));
    let mut addresses = record::addresses(&write.after);
    addresses.retain(|member| member != address);
    if addresses.is_empty() {
        bury(changes, &account, now);
    } else {
        set_addresses(write, &addresses);
    }
}

/// Removes a channel without a trace: its erasure is marked elsewhere.
pub(crate) fn erase(changes: &mut Changes, address: &Address, now: Timestamp) {
    remove(changes, address, now);
    for write in changes.0.values_mut().filter(|write| write.key.starts_with(keys::CHANNEL)) {
        if record::state(&write.after) == Ok(ChannelState::Disconnected) {
            write.after.clear();
            write.expires = 0;
        }
    }
}

/// Leaves a tombstone: whose it was and that it is gone, for as long as its events may still come.
fn bury(changes: &mut Changes, address: &Address, now: Timestamp) {
    let write = changes.hash(&keys::channel(address));
    if write.after.is_empty() || record::state(&write.after) == Ok(ChannelState::Disconnected) {
        return;
    }
    let user = write.after.get("app_user_id").cloned();
    write.after.retain(|name, _| ["tenant", "account_id"].contains(&name.as_str()));
    write.after.insert("state".to_owned(), ChannelState::Disconnected.as_str().to_owned());
    write.after.insert("updated_at".to_owned(), now.to_string());
    write.expires = Duration::as_secs(&keys::TOMBSTONE_TIME);
    if let Some(user) = user {
        changes.hash(&keys::user(&user)).after.remove(address.as_str());
    }
}

fn set_addresses(write: &mut Write, addresses: &[Address]) {
    let list = addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(",");
    write.after.insert("channels".to_owned(), list);
}

/// The account whose events concern a WhatsApp number. Other channels have none.
fn account_of(address: &Address, account_id: Option<&String>) -> Option<Address> {
    let is_number = address.family() == Family::WhatsApp;
    account_id.filter(|_| is_number).map(|id| Address::of(Family::WhatsAppAccount, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sealed;

    const NUMBER: &str = "whatsapp:1";
    const ACCOUNT: &str = "whatsapp-account:9";

    /// A store of one's own, with the same compare and set as the real ones.
    #[derive(Default)]
    struct Hashes(BTreeMap<String, Fields>);

    impl Hashes {
        fn change(&mut self, keys: Vec<String>, decide: impl FnOnce(&mut Changes)) -> Vec<Write> {
            let (mut changes, mut wanted) = (Changes::default(), keys);
            while !wanted.is_empty() {
                for key in wanted {
                    let fields = self.0.get(&key).cloned().unwrap_or_default();
                    changes.read(key, fields);
                }
                wanted = changes.missing();
            }
            decide(&mut changes);
            let writes = changes.into_writes();
            self.0.extend(writes.iter().map(|write| (write.key.clone(), write.after.clone())));
            writes
        }

        fn add(&mut self, channel: &NewChannel) {
            self.change(read_to_add(channel), |changes| add(changes, channel, Timestamp::UNIX_EPOCH).unwrap());
        }

        fn remove(&mut self, address: &str) -> Vec<Write> {
            let address = Address::new(address);
            self.change(vec![keys::channel(&address)], |changes| remove(changes, &address, Timestamp::UNIX_EPOCH))
        }

        fn field(&self, address: &str, name: &str) -> Option<&str> {
            self.0.get(&format!("channel:{address}"))?.get(name).map(String::as_str)
        }
    }

    fn number(address: &str, tenant: &str) -> NewChannel {
        let mut channel = NewChannel::new(Address::new(address), tenant, Sealed::new("sealed"));
        (channel.account_id, channel.app_user_id) = (Some("9".to_owned()), Some("7".to_owned()));
        channel
    }

    #[test]
    fn a_number_brings_its_account_and_its_user() {
        let mut hashes = Hashes::default();

        hashes.add(&number(NUMBER, "t"));
        hashes.add(&number("whatsapp:2", "t"));

        assert_eq!(hashes.field(ACCOUNT, "channels"), Some("whatsapp:1,whatsapp:2"));
        assert_eq!(hashes.field(ACCOUNT, "dsk_token"), Some("sealed"));
        assert_eq!(hashes.0["user:7"].keys().collect::<Vec<_>>(), [NUMBER, "whatsapp:2"]);
        assert!(hashes.0.contains_key(keys::INITIALISED));
    }

    #[test]
    fn a_second_tenant_is_refused_until_the_first_has_left() {
        let mut hashes = Hashes::default();
        hashes.add(&number(NUMBER, "first"));
        let second = number("whatsapp:2", "second");

        let mut changes = Changes::default();
        changes.read("channel:whatsapp-account:9".to_owned(), hashes.0["channel:whatsapp-account:9"].clone());
        let refused = add(&mut changes, &second, Timestamp::UNIX_EPOCH);
        assert_eq!(refused, Err(StoreError::OtherTenant { address: ACCOUNT.to_owned() }));

        hashes.remove(NUMBER);
        hashes.add(&second);
        assert_eq!(hashes.field(ACCOUNT, "tenant"), Some("second"));
    }

    #[test]
    fn a_removed_channel_keeps_no_token_and_goes_away_by_itself() {
        let mut hashes = Hashes::default();
        hashes.add(&number(NUMBER, "t"));

        let writes = hashes.remove(NUMBER);

        assert_eq!((hashes.field(NUMBER, "state"), hashes.field(NUMBER, "dsk_token")), (Some("disconnected"), None));
        assert_eq!(hashes.field(ACCOUNT, "state"), Some("disconnected"), "its last channel is gone");
        assert!(hashes.0["user:7"].is_empty());
        assert!(writes.iter().filter(|write| write.key.starts_with("channel:")).all(|write| write.expires > 0));
    }

    #[test]
    fn an_account_takes_all_of_its_channels_along() {
        let mut hashes = Hashes::default();
        hashes.add(&number(NUMBER, "t"));
        hashes.add(&number("whatsapp:2", "t"));

        hashes.remove(ACCOUNT);

        let states = [NUMBER, "whatsapp:2", ACCOUNT].map(|address| hashes.field(address, "state"));
        assert_eq!(states, [Some("disconnected"); 3]);
        assert!(hashes.0["user:7"].is_empty());
    }

    #[test]
    fn a_new_token_does_not_inherit_the_end_of_the_old_one() {
        let mut hashes = Hashes::default();
        let mut channel = number(NUMBER, "t");
        channel.access_token = Some(Sealed::new("ends"));
        channel.access_token_expires_at = Some(Timestamp::UNIX_EPOCH);
        hashes.add(&channel);

        channel.access_token = Some(Sealed::new("never ends"));
        channel.access_token_expires_at = None;
        hashes.add(&channel);

        assert_eq!(hashes.field(NUMBER, "access_token"), Some("never ends"));
        assert_eq!(hashes.field(NUMBER, "access_token_expires_at"), None);
    }

    #[test]
    fn what_is_not_given_again_is_kept() {
        let mut hashes = Hashes::default();
        let mut channel = number(NUMBER, "t");
        channel.dsk_url = Some("https://dsk.example/events".to_owned());
        hashes.add(&channel);

        hashes.add(&NewChannel::new(Address::new(NUMBER), "t", Sealed::new("rotated")));

        assert_eq!(hashes.field(NUMBER, "dsk_token"), Some("rotated"));
        assert_eq!(hashes.field(NUMBER, "dsk_url"), Some("https://dsk.example/events"));
    }
}
