//! Tries whether the broker grants as many AMQP channels as a connection needs. Without them it would wait for ever.

use futures_util::future::try_join_all;
use lapin::protocol::{AMQPErrorKind, AMQPHardError};
use lapin::{Connection, ErrorKind};

use super::call::{CallError, call};
use super::declare;
use crate::error::QueueError;

/// Opens `needed` AMQP channels and closes them again: a limit of the user shows in no other way.
pub(super) async fn check(connection: &Connection, needed: usize) -> Result<(), QueueError> {
    let granted = connection.configuration().channel_max();
    let too_few = |answer| QueueError::TooFewChannels { needed, answer };
    if usize::from(granted) < needed {
        return Err(too_few(format!("channel_max is {granted}")));
    }
    let opening = (0..needed).map(|_| call("channel.open", connection.create_channel()));
    match try_join_all(opening).await {
        Ok(channels) => {
            for channel in channels {
                declare::close(channel).await;
            }
            Ok(())
        }
        Err(error) => Err(match limit(&error) {
            Some(answer) => too_few(answer),
            None => error.into(),
        }),
    }
}

/// The broker's words, if the user has reached its limit.
fn limit(error: &CallError) -> Option<String> {
    let CallError::Failed(error) = error else { return None };
    let ErrorKind::ProtocolError(refusal) = error.kind() else { return None };
    (*refusal.kind() == AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)).then(|| refusal.get_message().to_string())
}
