//! Reading dead letters with `basic.get` (a consumer sees at most 2000) and giving them back with one frame.

use bytes::Bytes;
use event::Class;
use lapin::Connection;
use lapin::options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use super::{declare, wire};
use crate::{DeadLetter, OpenError, Place};

/// An exclusive queue is a lock that the broker takes back when its holder dies.
const SCAN_LOCK: &str = "meta.dead.scan";

/// Reads up to `limit` dead letters, oldest first. They stay where they are, in their order.
pub(super) async fn scan(connection: &Connection, limit: usize) -> Result<Vec<DeadLetter>, OpenError> {
    let channel = connection.create_channel().await.map_err(|error| declare::away(&error))?;
    let lock = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    if let Err(error) = channel.queue_declare(SCAN_LOCK.into(), lock, FieldTable::default()).await {
        return Err(OpenError::Away(format!("another scan of the dead letters is under way: {error}")));
    }
    let mut letters = Vec::new();
    let mut last_tag = None;
    let mut failure = None;
    while letters.len() < limit {
        match channel.basic_get(Place::Dead.queue().into(), BasicGetOptions::default()).await {
            Ok(Some(got)) => {
                last_tag = Some(got.delivery.delivery_tag);
                let properties = &got.delivery.properties;
                let carried = (Class::Messages, got.delivery.delivery_tag);
                let (envelope, _) = wire::envelope_or_stand_in(properties, Bytes::new(), carried);
                letters.push(DeadLetter::of(envelope, wire::broker_reason(properties).as_deref()));
            }
            Ok(None) => break,
            Err(error) => {
                failure = Some(declare::away(&error));
                break;
            }
        }
    }
    if let Some(tag) = last_tag {
        let all = BasicNackOptions { multiple: true, requeue: true };
        channel.basic_nack(tag, all).await.map_err(|error| declare::away(&error))?;
    }
    channel.queue_delete(SCAN_LOCK.into(), lapin::options::QueueDeleteOptions::default()).await.ok();
    declare::close(channel).await;
    failure.map_or(Ok(letters), Err)
}
