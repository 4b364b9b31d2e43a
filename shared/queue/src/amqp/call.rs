//! Calls to the broker: each has a name and a time limit, because a broker in trouble answers neither yes nor no.

use std::time::Duration;

use lapin::protocol::AMQPErrorKind;
use lapin::{Channel, Connection, ErrorKind};
use tokio::time::timeout;

use crate::error::QueueError;

/// Longest wait for the answer to a call. A healthy broker answers within milliseconds.
pub(super) const CALL_TIME: Duration = Duration::from_secs(2);

/// Why a call to the broker failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The broker refused, or the connection or the AMQP channel is gone.
    #[error(transparent)]
    Failed(#[from] lapin::Error),
    /// The broker may still do what it was asked.
    #[error("no answer to {call} within {limit:?}")]
    TimedOut { call: &'static str, limit: Duration },
    /// No AMQP channel can be opened on a connection that is there otherwise.
    #[error("no AMQP channel can be opened: {0}")]
    WornOut(lapin::Error),
}

impl CallError {
    /// Whether only a new connection can help.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::WornOut(_))
    }

    /// The broker's words, if it refused for this reason.
    pub(super) fn refusal(&self, reason: &AMQPErrorKind) -> Option<String> {
        let Self::Failed(error) = self else { return None };
        refusal(error, reason)
    }
}

impl From<CallError> for QueueError {
    fn from(error: CallError) -> Self {
        Self::Away(error.to_string())
    }
}

/// The broker's words, if it refused for this reason.
pub(super) fn refusal(error: &lapin::Error, reason: &AMQPErrorKind) -> Option<String> {
    let ErrorKind::ProtocolError(refusal) = error.kind() else { return None };
    (refusal.kind() == reason).then(|| refusal.get_message().to_string())
}

/// Opens an AMQP channel.
///
/// lapin (4.12.3) never again uses the number of an AMQP channel that the broker has closed for an error, such as that a queue
/// is missing: when its turn comes again, it answers with the old error, and counts one more channel as open. So a connection on
/// which there were many errors wears out ("the maximum number of channels for this connection has been reached").
pub(super) async fn open_channel(connection: &Connection) -> Result<Channel, CallError> {
    match call("channel.open", connection.create_channel()).await {
        Err(CallError::Failed(error)) if connection.status().connected() => Err(CallError::WornOut(error)),
        answer => answer,
    }
}

/// Awaits the answer to a call at most for [`CALL_TIME`].
pub(super) async fn call<T>(name: &'static str, call: impl Future<Output = lapin::Result<T>>) -> Result<T, CallError> {
    call_within(CALL_TIME, name, call).await
}

/// Awaits the answer to a call at most for `limit`.
pub(super) async fn call_within<T>(
    limit: Duration,
    name: &'static str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, CallError> {
    match timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CallError::TimedOut { call: name, limit }),
    }
}
