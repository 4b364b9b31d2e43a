//! Whose channels are connected, and where their events go. The store counts that whenever it changes a channel, so that
//! nobody has to read all channels to know which tenants there are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::error::StoreError;
use crate::fields::{self, Fields, text};
use crate::keys;
use crate::record::ChannelState;
use crate::store::ChannelStore;
use crate::transaction::Transaction;
use crate::update::Decision;

/// How old the count may become before all channels are counted again. A release that knew nothing of the count may have
/// changed channels, and so may a person.
const COUNT_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// A tenant, and where the events of some of its channels go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantEndpoint {
    /// The DSK customer.
    pub tenant: String,
    /// Where the events go, if not to `DSK_URL`.
    pub dsk_url: Option<String>,
}

impl TenantEndpoint {
    /// The endpoint of a record; `None` if its channel is not connected.
    fn of(fields: &Fields) -> Option<Self> {
        let tenant = text(fields, fields::TENANT)?;
        let is_connected = ChannelState::from_fields(fields) != Ok(ChannelState::Disconnected);
        is_connected.then(|| Self { tenant, dsk_url: text(fields, fields::DSK_URL) })
    }

    /// The name of the field that counts its channels.
    fn field(&self) -> String {
        serde_json::json!([self.tenant, self.dsk_url]).to_string()
    }

    fn from_field(name: &str) -> Option<Self> {
        let [tenant, dsk_url]: [Option<String>; 2] = serde_json::from_str(name).ok()?;
        Some(Self { tenant: tenant?, dsk_url })
    }
}

impl ChannelStore {
    /// The endpoints of all connected channels, each once. It reads one hash; once a day it counts all channels
    /// again.
    pub async fn endpoints(&self, now: Timestamp) -> Result<BTreeSet<TenantEndpoint>, StoreError> {
        let mut counts = self.read_one(keys::ENDPOINTS.to_owned()).await?;
        if !is_fresh(&counts, now) {
            let records = self.read_channels().await?;
            counts = self.store_counts(&counts, &records, now).await?;
        }
        Ok(counts.keys().filter_map(|name| TenantEndpoint::from_field(name)).collect())
    }

    /// Counts all channels. Where a channel was changed since `read`, the count is returned but not stored: it may be wrong
    /// by that channel, and the next call counts again.
    pub(crate) async fn store_counts(
        &self,
        read: &Fields,
        records: &[(String, Fields)],
        now: Timestamp,
    ) -> Result<Fields, StoreError> {
        let mut counted = counts_of(records);
        fields::set(&mut counted, fields::COUNTED_AT, now);
        let replace = |transaction: &mut Transaction| {
            let hash = transaction.hash(keys::ENDPOINTS);
            if hash.fields != *read {
                return Ok(Decision::Abandon(()));
            }
            hash.fields.clone_from(&counted);
            Ok(Decision::Write(()))
        };
        self.update(vec![keys::ENDPOINTS.to_owned()], replace).await?;
        Ok(counted)
    }
}

/// How many connected channels each endpoint has among these records.
fn counts_of(records: &[(String, Fields)]) -> Fields {
    let mut counts = BTreeMap::new();
    for endpoint in records.iter().filter_map(|(_, fields)| TenantEndpoint::of(fields)) {
        *counts.entry(endpoint.field()).or_insert(0_u64) += 1;
    }
    counts.into_iter().map(|(name, count)| (name, count.to_string())).collect()
}

/// Whether a stored count is that of these records.
pub(crate) fn agree(counts: &Fields, records: &[(String, Fields)]) -> bool {
    let mut counts = counts.clone();
    counts.remove(fields::COUNTED_AT);
    counts == counts_of(records)
}

/// The part of a stored count that is about one tenant.
pub(crate) fn of_tenant(counts: &Fields, tenant: &str) -> Fields {
    let is_theirs = |name: &str| TenantEndpoint::from_field(name).is_some_and(|endpoint| endpoint.tenant == tenant);
    counts.iter().filter(|(name, _)| is_theirs(name)).map(|(name, count)| (name.clone(), count.clone())).collect()
}

/// Whether everything was counted, and not too long ago.
fn is_fresh(counts: &Fields, now: Timestamp) -> bool {
    let counted_at = counts.get(fields::COUNTED_AT).and_then(|at| at.parse::<Timestamp>().ok());
    counted_at.is_some_and(|at| now.duration_since(at).abs() < COUNT_AGE_MAX)
}

/// Counts the channels that a transaction connects, moves and disconnects.
pub(crate) fn count(transaction: &mut Transaction) {
    let mut changes = BTreeMap::new();
    for (key, hash) in transaction.hashes_mut() {
        if !key.starts_with(keys::CHANNEL) {
            continue;
        }
        let was = TenantEndpoint::of(hash.before());
        let is = TenantEndpoint::of(&hash.fields);
        if was != is {
            was.iter().for_each(|endpoint| *changes.entry(endpoint.field()).or_insert(0_i64) -= 1);
            is.iter().for_each(|endpoint| *changes.entry(endpoint.field()).or_insert(0_i64) += 1);
        }
    }
    for (name, change) in changes.into_iter().filter(|(_, change)| *change != 0) {
        let counts = &mut transaction.hash(keys::ENDPOINTS).fields;
        let channels = counts.get(&name).and_then(|count| count.parse::<i64>().ok()).unwrap_or_default() + change;
        if channels > 0 {
            fields::set(counts, &name, channels);
        } else {
            counts.remove(&name);
        }
    }
}
