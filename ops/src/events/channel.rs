//! How the channel of a wanted event stands, and what of it is paused: its events are discarded, or wait.

use ::channels::{ChannelState, ChannelStore, Lookup, LookupAnswer, StoreError};
use chassis::now;
use event::{Address, EventId, Lane};

use super::standing::{Pause, View};
use crate::failure::Failure;

/// How a channel stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelStanding {
    pub(crate) address: Address,
    pub(crate) state: Connection,
    /// What is paused of it.
    pub(crate) pauses: Vec<Pause>,
}

/// Whether its events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Connected { tenant: String },
    Disconnected { since: Option<String> },
    Erased,
    Unknown,
}

impl Connection {
    /// Whose it is, if it is connected.
    pub(crate) fn tenant(&self) -> Option<&str> {
        match self {
            Self::Connected { tenant } => Some(tenant),
            Self::Disconnected { .. } | Self::Erased | Self::Unknown => None,
        }
    }

    /// One word for programs.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Erased => "erased",
            Self::Unknown => "unknown",
        }
    }
}

impl ChannelStanding {
    /// Reads it.
    pub(super) async fn read(store: &ChannelStore, address: &Address, view: &View) -> Result<Self, Failure> {
        let standing = |state, pauses| Self { address: address.clone(), state, pauses };
        let Some(record) = store.get(address).await? else {
            let is_erased = is_erased(store, address).await?;
            return Ok(standing(if is_erased { Connection::Erased } else { Connection::Unknown }, Vec::new()));
        };
        if record.state == ChannelState::Disconnected {
            return Ok(standing(Connection::Disconnected { since: record.updated_at }, Vec::new()));
        }
        let of_tenant = format!("{} at ", record.tenant);
        let origin = record.dsk_url.as_deref().and_then(|url| url::Url::parse(url).ok()).map(|url| url.origin());
        let concerns = |pause: &&Pause| match pause.reason.as_str() {
            // Which origin DSK_URL has, only the dispatchers know.
            "unavailable" => origin.as_ref().is_none_or(|origin| origin.ascii_serialization() == pause.what),
            "throttled" => pause.what.starts_with(&of_tenant),
            _ => pause.what == address.as_str(),
        };
        let pauses = view.pauses.iter().filter(concerns).cloned().collect();
        Ok(standing(Connection::Connected { tenant: record.tenant }, pauses))
    }
}

/// Whether a channel without a record was erased. Without the key ring, nobody can say.
async fn is_erased(store: &ChannelStore, address: &Address) -> Result<bool, Failure> {
    let id = EventId::new("");
    let lane = Lane::new(address.as_str());
    let lookup = Lookup { id: &id, address, lane: &lane, is_about_account: false, received_at: now() };
    match store.look_up(&[lookup]).await {
        Ok(answers) => Ok(matches!(answers[..], [LookupAnswer::Disconnected | LookupAnswer::Erased])),
        Err(StoreError::NotInitialised | StoreError::ErasureKey(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
