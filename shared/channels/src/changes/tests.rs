//! Adding and removing channels, without a store.

use std::collections::BTreeMap;

use super::*;
use crate::hashing::samples;
use crate::record::{SecretField, sealed};
use crate::seal::samples::{opened, secret};
use crate::transaction::Write;

const NUMBER: &str = "whatsapp:1";
const ACCOUNT: &str = "whatsapp-account:9";
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn hashing() -> Hashing {
    Hashing::keyed(samples::key("0000000000000001"))
}

/// The hashes of a store in memory.
#[derive(Default)]
struct Hashes(BTreeMap<String, Fields>);

impl Hashes {
    fn change(&mut self, keys: Vec<String>, decide: impl FnOnce(&mut Transaction)) -> Vec<Write> {
        let mut transaction = Transaction::default();
        let mut wanted = keys;
        while !wanted.is_empty() {
            for key in wanted {
                let fields = self.0.get(&key).cloned().unwrap_or_default();
                transaction.add(key, fields);
            }
            wanted = unread(&transaction, &hashing());
        }
        decide(&mut transaction);
        let writes = transaction.into_writes();
        self.0.extend(writes.iter().map(|write| (write.key.clone(), write.after.clone())));
        writes
    }

    fn add(&mut self, channel: &NewChannel) {
        self.add_at(channel, NOW);
    }

    fn add_at(&mut self, channel: &NewChannel, now: Timestamp) {
        self.change(keys_to_add(&hashing(), channel), |transaction| {
            add(transaction, &hashing(), channel, now).unwrap();
        });
    }

    fn remove(&mut self, address: &str) -> Vec<Write> {
        self.remove_until(address, Timestamp::MAX)
    }

    fn remove_until(&mut self, address: &str, until: Timestamp) -> Vec<Write> {
        let address = Address::new(address);
        self.change(vec![keys::channel(&address)], |transaction| {
            remove(transaction, Removal { hashing: &hashing(), address: &address, person: None, until, now: NOW });
        })
    }

    /// A secret of a record, opened.
    fn secret(&self, address: &str, field: SecretField) -> Option<String> {
        let fields = self.0.get(&format!("channel:{address}"))?;
        sealed(&Address::new(address), fields, field).as_ref().map(opened)
    }

    fn field(&self, address: &str, name: &str) -> Option<&str> {
        self.0.get(&format!("channel:{address}"))?.get(name).map(String::as_str)
    }
}

fn number(address: &str, tenant: &str) -> NewChannel {
    let mut channel = NewChannel::new(Address::new(address), tenant, secret("sealed"));
    channel.account_id = Some("9".to_owned());
    channel.app_user_id = Some("7".to_owned());
    channel
}

#[test]
fn adding_a_number_stores_its_account_and_its_user() {
    let mut hashes = Hashes::default();

    hashes.add(&number(NUMBER, "t"));
    hashes.add(&number("whatsapp:2", "t"));

    assert_eq!(hashes.field(ACCOUNT, "channels"), Some("whatsapp:1,whatsapp:2"));
    assert_eq!(hashes.secret(ACCOUNT, SecretField::DskToken).as_deref(), Some("sealed"));
    assert_eq!(hashes.0["user:7"].keys().collect::<Vec<_>>(), [NUMBER, "whatsapp:2"]);
    assert!(hashes.0.contains_key(keys::INITIALISED));
}

#[test]
fn a_second_tenant_is_refused_until_the_first_is_removed() {
    let mut hashes = Hashes::default();
    hashes.add(&number(NUMBER, "first"));
    let second = number("whatsapp:2", "second");

    let mut transaction = Transaction::default();
    transaction.add("channel:whatsapp-account:9".to_owned(), hashes.0["channel:whatsapp-account:9"].clone());
    let refused = add(&mut transaction, &hashing(), &second, NOW);
    assert_eq!(refused, Err(StoreError::OtherTenant { address: ACCOUNT.to_owned() }));

    hashes.remove(NUMBER);
    hashes.add(&second);
    assert_eq!(hashes.field(ACCOUNT, "tenant"), Some("second"));
}

#[test]
fn a_removed_channel_keeps_no_token_and_expires() {
    let mut hashes = Hashes::default();
    hashes.add(&number(NUMBER, "t"));

    let writes = hashes.remove(NUMBER);

    assert_eq!((hashes.field(NUMBER, "state"), hashes.field(NUMBER, "dsk_token")), (Some("disconnected"), None));
    assert_eq!(hashes.field(ACCOUNT, "state"), Some("disconnected"), "its last channel is gone");
    assert!(hashes.0["user:7"].is_empty());
    assert!(writes.iter().filter(|write| write.key.starts_with("channel:")).all(|write| write.expires > 0));
}

#[test]
fn removing_an_account_removes_all_of_its_channels() {
    let mut hashes = Hashes::default();
    hashes.add(&number(NUMBER, "t"));
    hashes.add(&number("whatsapp:2", "t"));

    hashes.remove(ACCOUNT);

    let states = [NUMBER, "whatsapp:2", ACCOUNT].map(|address| hashes.field(address, "state"));
    assert_eq!(states, [Some("disconnected"); 3]);
    assert!(hashes.0["user:7"].is_empty());
}

#[test]
fn a_new_token_does_not_inherit_the_expiry_of_the_old_one() {
    let mut hashes = Hashes::default();
    let mut channel = number(NUMBER, "t");
    channel.access_token = Some(secret("ends"));
    channel.access_token_expires_at = Some(Timestamp::UNIX_EPOCH);
    hashes.add(&channel);

    channel.access_token = Some(secret("never ends"));
    channel.access_token_expires_at = None;
    hashes.add(&channel);

    assert_eq!(hashes.secret(NUMBER, SecretField::AccessToken).as_deref(), Some("never ends"));
    assert_eq!(hashes.field(NUMBER, "access_token_expires_at"), None);
}

#[test]
fn a_field_that_is_not_given_again_is_kept() {
    let mut hashes = Hashes::default();
    let mut channel = number(NUMBER, "t");
    channel.dsk_url = Some("https://dsk.example/events".to_owned());
    hashes.add(&channel);

    hashes.add(&NewChannel::new(Address::new(NUMBER), "t", secret("rotated")));

    assert_eq!(hashes.secret(NUMBER, SecretField::DskToken).as_deref(), Some("rotated"));
    assert_eq!(hashes.field(NUMBER, "dsk_url"), Some("https://dsk.example/events"));
}

#[test]
fn a_late_removal_ends_only_what_was_connected_before_it() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let states = |hashes: &Hashes| {
        [NUMBER, "whatsapp:2", ACCOUNT].map(|address| hashes.field(address, "state") == Some("connected"))
    };
    let mut hashes = Hashes::default();
    hashes.add_at(&number(NUMBER, "t"), at(10));
    hashes.add_at(&number("whatsapp:2", "t"), at(10));
    hashes.add_at(&number("whatsapp:2", "t"), at(30));

    hashes.remove_until(ACCOUNT, at(9));
    assert_eq!(states(&hashes), [true; 3], "it happened before both were connected");

    hashes.remove_until(ACCOUNT, at(20));
    assert_eq!(states(&hashes), [false, true, true], "the second was connected again");
    assert_eq!(hashes.field(ACCOUNT, "channels"), Some("whatsapp:2"));

    hashes.remove_until("whatsapp:2", at(29));
    assert_eq!(states(&hashes), [false, true, true]);

    hashes.remove_until(ACCOUNT, at(30));
    assert_eq!(states(&hashes), [false; 3]);
}

#[test]
fn a_removed_account_keeps_the_way_to_dsk_and_nothing_of_meta() {
    let mut hashes = Hashes::default();
    let mut channel = number(NUMBER, "t");
    channel.access_token = Some(secret("meta"));
    channel.name = Some("+49 30 123".to_owned());
    hashes.add(&channel);

    hashes.remove(ACCOUNT);

    let kept: Vec<&str> = hashes.0["channel:whatsapp-account:9"].keys().map(String::as_str).collect();
    assert_eq!(kept, ["account_id", "connected_at", "dsk_token", "state", "tenant", "updated_at"]);
    assert_eq!(hashes.field(NUMBER, "dsk_token"), None, "only the account's record keeps it");
}
