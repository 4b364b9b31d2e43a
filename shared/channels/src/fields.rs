//! The fields of the stored hashes: each name is written here and nowhere else.

use std::collections::BTreeMap;

/// A hash as the store holds it.
pub(crate) type Fields = BTreeMap<String, String>;

// Of a channel's record. Tickets and sessions hold the first four, too.
pub(crate) const TENANT: &str = "tenant";
pub(crate) const DSK_TOKEN: &str = "dsk_token";
pub(crate) const DSK_URL: &str = "dsk_url";
pub(crate) const SIGNING_SECRET: &str = "signing_secret";
pub(crate) const REQUESTS_AT_ONCE: &str = "requests_at_once";
pub(crate) const REQUESTS_PER_SECOND: &str = "requests_per_second";
pub(crate) const ACCESS_TOKEN: &str = "access_token";
pub(crate) const ACCESS_TOKEN_EXPIRES_AT: &str = "access_token_expires_at";
pub(crate) const STATE: &str = "state";
pub(crate) const ACCOUNT_ID: &str = "account_id";
pub(crate) const APP_USER_ID: &str = "app_user_id";
/// The app at Meta that has given this id.
pub(crate) const APP_ID: &str = "app_id";
/// Of a removed channel's record: the hash of its `APP_ID` and `APP_USER_ID`.
pub(crate) const APP_USER_HASH: &str = "app_user_hash";
pub(crate) const CONNECTED_BY: &str = "connected_by";
pub(crate) const NAME: &str = "name";
pub(crate) const CONNECTED_AT: &str = "connected_at";
pub(crate) const UPDATED_AT: &str = "updated_at";
pub(crate) const CHECKED_AT: &str = "checked_at";
/// Of an account's record: the addresses of its channels, separated by commas.
pub(crate) const CHANNELS: &str = "channels";

/// Of the hash that counts the channels of each endpoint: when all of them were last counted.
pub(crate) const COUNTED_AT: &str = "counted_at";

/// Of the hash that says that the store is initialised: when the first channel was added.
pub(crate) const INITIALISED_AT: &str = "at";

// Of tickets and sessions.
pub(crate) const ISSUED_BY: &str = "issued_by";
/// What Instagram has to send back with its answer.
pub(crate) const OAUTH_STATE: &str = "state";

// Of erasures.
pub(crate) const CODE: &str = "code";
pub(crate) const ORIGIN: &str = "origin";
pub(crate) const REQUESTED_AT: &str = "requested_at";
pub(crate) const DONE_AT: &str = "done_at";
/// How many channels and conversations there were to erase.
pub(crate) const FOUND: &str = "found";
/// There if the person has connected a channel since they asked.
pub(crate) const CONNECTED_SINCE: &str = "connected_since";

// Of the keys under which erasures are hashed.
/// Which key is used.
pub(crate) const CURRENT_KEY: &str = "current";
/// The beginning of the fields that hold a key, sealed.
pub(crate) const KEY: &str = "key:";
/// The beginning of the fields that say until when a key of an export is needed.
pub(crate) const KEY_UNTIL: &str = "until:";
/// From when on the key is used, in a store that an older release has used.
pub(crate) const KEYED_FROM: &str = "keyed_from";
/// Until when what was hashed without a key is recognised.
pub(crate) const PLAIN_UNTIL: &str = "plain_until";

// Of what was erased, and when Redis last rewrote its append-only file.
pub(crate) const COUNT: &str = "count";
pub(crate) const REWRITTEN_AT: &str = "at";

/// Of what is a text in Redis: the text.
pub(crate) const MARK: &str = "mark";

// Of leases.
pub(crate) const HOLDER: &str = "holder";
pub(crate) const UNTIL: &str = "until";

/// Of a dispatcher's report.
pub(crate) const STATUS: &str = "status";
/// The status with which DSK has last said to it that it has an event.
pub(crate) const USUAL_STATUS: &str = "usual_status";
/// Of the hash of dispatchers: the value beside an instance's name.
pub(crate) const REPORTS: &str = "reports";

/// A field's text. An empty field counts as missing.
pub(crate) fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).filter(|value| !value.is_empty()).cloned()
}

/// Sets a field, whether or not it is there.
pub(crate) fn set(fields: &mut Fields, name: &str, value: impl ToString) {
    fields.insert(name.to_owned(), value.to_string());
}

/// A hash of those fields that have a value.
pub(crate) fn collect<const N: usize>(fields: [(&str, Option<String>); N]) -> Fields {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
