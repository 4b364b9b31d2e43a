//! Finds a channel's record, and shows it without its tokens.

use channels::{ChannelRecord, ChannelStore, Limits, SealedSecret};
use event::Address;
use serde_json::{Value, json};

use crate::failure::Failure;

/// The record of a channel that has to be stored.
pub(crate) async fn find(store: &ChannelStore, address: &Address) -> Result<ChannelRecord, Failure> {
    let record = store.get(address).await?;
    record.ok_or_else(|| Failure::runtime(format!("{address} is not stored: `ops channels list` shows what is")))
}

/// The record for people and programs alike. Of a token it says only that there is one.
pub(crate) fn json(record: &ChannelRecord) -> Value {
    let sealed = |token: &Option<SealedSecret>| token.as_ref().map(|_| "sealed");
    let mut json = json!({
        "address": record.address.as_str(),
        "tenant": record.tenant,
        "state": record.state.as_str(),
        "dsk_url": record.dsk_url,
        "dsk_token": sealed(&record.dsk_token),
        "signing_secret": sealed(&record.signing_secret),
        "requests_at_once": record.limits.requests_at_once,
        "requests_per_second": record.limits.requests_per_second,
        "access_token": sealed(&record.access_token),
        "access_token_expires_at": record.access_token_expires_at,
        "account_id": record.account_id,
        "app_user_id": record.app_user_id,
        "app_id": record.app_id,
        "connected_by": record.connected_by,
        "connected_at": record.connected_at,
        "updated_at": record.updated_at,
        "checked_at": record.checked_at,
    });
    if let Some(fields) = json.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        if !record.channels.is_empty() {
            let channels = record.channels.iter().map(Address::as_str).collect();
            fields.insert("channels".to_owned(), channels);
        }
    }
    json
}

/// The limits in one column, such as `50/s, 4 at once`.
pub(super) fn limits(limits: Limits) -> String {
    let per_second = limits.requests_per_second.map(|limit| format!("{limit}/s"));
    let at_once = limits.requests_at_once.map(|limit| format!("{limit} at once"));
    let set: Vec<String> = per_second.into_iter().chain(at_once).collect();
    if set.is_empty() { "-".to_owned() } else { set.join(", ") }
}
