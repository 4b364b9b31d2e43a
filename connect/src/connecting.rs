//! What connecting a WhatsApp number and connecting an Instagram account have in common.

use axum::http::StatusCode;
use channels::{ChannelState, ChannelStore, StoreError};
use event::{Address, Family};
use tracing::info;

use crate::graph::GraphError;
use crate::metrics::{ConnectionOutcome, Metrics};
use crate::texts;

/// Why a channel was not connected. After any of these, nothing is left half connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0}")]
    Graph(#[from] GraphError),
    #[error("{0}")]
    Store(StoreError),
    #[error("the channel is connected for another tenant")]
    OtherTenant,
    #[error("access to the account was not granted")]
    NotGranted,
    #[error("the account has no number, or has several and none was chosen")]
    NoNumber,
    #[error("the number could not be registered: {0}")]
    Register(GraphError),
}

impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::OtherTenant { .. }) { Self::OtherTenant } else { Self::Store(error) }
    }
}

impl ConnectError {
    /// The status of the page that shows this error.
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::OtherTenant => StatusCode::CONFLICT,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotGranted => StatusCode::FORBIDDEN,
            Self::NoNumber => StatusCode::BAD_REQUEST,
            Self::Register(_) => StatusCode::BAD_GATEWAY,
            Self::Graph(error) => match error {
                GraphError::Token { .. } => StatusCode::BAD_REQUEST,
                GraphError::Permission(_) => StatusCode::FORBIDDEN,
                GraphError::Throttled => StatusCode::SERVICE_UNAVAILABLE,
                GraphError::Away
                | GraphError::TimedOut
                | GraphError::Trouble
                | GraphError::Refused { .. }
                | GraphError::Unexpected => StatusCode::BAD_GATEWAY,
            },
        }
    }

    /// What happened and what to do, for the person who tried.
    pub(crate) const fn text(&self) -> &'static str {
        match self {
            Self::OtherTenant => texts::FAILED_OTHER_TENANT,
            Self::Store(_) => texts::STORE,
            Self::NotGranted => texts::FAILED_NOT_GRANTED,
            Self::NoNumber => texts::FAILED_NO_NUMBER,
            Self::Register(_) => texts::FAILED_REGISTER,
            Self::Graph(error) => match error {
                GraphError::Away | GraphError::TimedOut | GraphError::Trouble => texts::FAILED_AWAY,
                GraphError::Throttled => texts::FAILED_THROTTLED,
                GraphError::Token { .. } => texts::FAILED_TOKEN,
                GraphError::Permission(_) => texts::FAILED_PERMISSION,
                GraphError::Refused { .. } | GraphError::Unexpected => texts::FAILED_REFUSED,
            },
        }
    }
}

/// Counts and logs how an attempt to connect a channel ended.
pub(crate) fn conclude(metrics: &Metrics, family: Family, outcome: Result<&Address, &ConnectError>) {
    match outcome {
        Ok(address) => {
            metrics.connections_total.inc(ConnectionOutcome::Connected);
            info!(channel = %address, "Connected {address}");
        }
        Err(error) => {
            metrics.connections_total.inc(ConnectionOutcome::Failed);
            info!(?family, %error, "Could not connect a channel");
        }
    }
}

/// Refuses an address that is connected for another tenant, before anything is changed at Meta. The store makes sure of
/// it again when the channel is added.
pub(crate) async fn ensure_free(store: &ChannelStore, tenant: &str, address: &Address) -> Result<(), ConnectError> {
    let record = store.get(address).await?;
    let is_taken = record.is_some_and(|record| record.tenant != tenant && record.state != ChannelState::Disconnected);
    if is_taken { Err(ConnectError::OtherTenant) } else { Ok(()) }
}

/// How many numbers of an account are connected.
pub(crate) async fn numbers_connected(store: &ChannelStore, account_id: &str) -> usize {
    let account = store.get(&Address::of(Family::WhatsAppAccount, account_id)).await;
    account.ok().flatten().map_or(0, |account| account.channels.len())
}
