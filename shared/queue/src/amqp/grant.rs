//! Tries whether the broker grants as many AMQP channels as a connection needs. Without them it would wait for ever.

use futures_util::future::try_join_all;
use lapin::Connection;
use lapin::protocol::{AMQPErrorKind, AMQPHardError};

use super::call::call;
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
        // The user has reached its limit.
        Err(error) => Err(match error.refusal(&AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)) {
            Some(answer) => too_few(answer),
            None => error.into(),
        }),
    }
}
