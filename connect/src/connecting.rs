//! What connecting a WhatsApp number and connecting an Instagram account share: one error, its page, how an attempt is
//! recorded, and checks against the channel store.

use axum::http::StatusCode;
use channels::{ChannelState, ChannelStore, StoreError};
use event::{Address, Family};
use tracing::info;

use crate::graph::GraphError;
use crate::metrics::{ConnectionOutcome, Metrics};
use crate::texts::{self, Text};

/// Why a channel was not connected. The flow that returns it has undone at Meta what it had begun, and stored nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Store(StoreError),
    #[error("the channel is already connected to another tenant")]
    OtherTenant,
    /// The person did not tick the account or the number in Meta's window.
    #[error("the person did not grant access to the account")]
    NotGranted,
    #[error("the account has no number, or has several and none was chosen")]
    NoNumber,
    #[error("Meta did not register the number: {0}")]
    Register(GraphError),
}

/// Not derived, because another tenant's channel is not a failure of the store.
impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::OtherTenant { .. }) { Self::OtherTenant } else { Self::Store(error) }
    }
}

impl ConnectError {
    /// The status of the page that shows this error: 4xx where the person can do something about it, 5xx where only time
    /// helps.
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
                GraphError::Throttled { .. } => StatusCode::SERVICE_UNAVAILABLE,
                GraphError::Away | GraphError::TimedOut | GraphError::ServerError => StatusCode::BAD_GATEWAY,
                GraphError::Refused { .. } | GraphError::Unexpected => StatusCode::BAD_GATEWAY,
            },
        }
    }

    /// Tells the person what went wrong and what to do next.
    pub(crate) const fn text(&self) -> Text {
        match self {
            Self::OtherTenant => texts::FAILED_OTHER_TENANT,
            Self::Store(_) => texts::STORE,
            Self::NotGranted => texts::FAILED_NOT_GRANTED,
            Self::NoNumber => texts::FAILED_NO_NUMBER,
            Self::Register(_) => texts::FAILED_REGISTER,
            Self::Graph(error) => match error {
                GraphError::Away | GraphError::TimedOut | GraphError::ServerError => texts::FAILED_AWAY,
                GraphError::Throttled { .. } => texts::FAILED_THROTTLED,
                GraphError::Token { .. } => texts::FAILED_TOKEN,
                GraphError::Permission(_) => texts::FAILED_PERMISSION,
                GraphError::Refused { .. } | GraphError::Unexpected => texts::FAILED_REFUSED,
            },
        }
    }
}

/// Counts and logs how an attempt to connect a channel ended.
pub(crate) fn record_outcome(metrics: &Metrics, family: Family, outcome: Result<&Address, &ConnectError>) {
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

/// Fails if the address is connected to another tenant. Called before anything is changed at Meta; the store checks again
/// when the channel is added, because another tenant may connect it in between.
pub(crate) async fn ensure_not_taken(
    store: &ChannelStore,
    tenant: &str,
    address: &Address,
) -> Result<(), ConnectError> {
    let record = store.get(address).await?;
    // A channel that was disconnected may move to another tenant.
    let is_taken = record.is_some_and(|record| record.tenant != tenant && record.state != ChannelState::Disconnected);
    if is_taken { Err(ConnectError::OtherTenant) } else { Ok(()) }
}

/// How many numbers of an account are connected. An error is not 0: who takes it for 0 ends the subscription of numbers
/// that are connected.
pub(crate) async fn numbers_connected(store: &ChannelStore, account_id: &str) -> Result<usize, StoreError> {
    let account = store.get(&Address::of(Family::WhatsAppAccount, account_id)).await?;
    Ok(account.map_or(0, |account| account.channels.len()))
}

#[cfg(test)]
mod tests {
    use channels::ChannelsSettings;
    use chassis::Shutdown;
    use prometheus::Registry;

    use super::*;

    #[tokio::test]
    async fn a_store_that_does_not_answer_does_not_count_as_an_account_without_numbers() {
        // Nothing listens on port 1.
        let settings = ChannelsSettings::at("redis://127.0.0.1:1", "");
        let metrics = channels::Metrics::register(&Registry::new()).unwrap();
        let store = ChannelStore::open(&settings, metrics, &Shutdown::default()).unwrap();

        let numbers = numbers_connected(&store, "28").await;

        assert_eq!(numbers, Err(StoreError::Away));
        assert_ne!(numbers, Ok(0), "its subscription would be ended");
    }
}
