//! Makes one connection to RabbitMQ, within a limited time. lapin gets a stream that is open already, because it would try
//! the addresses of a name one after the other without a limit for each.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chassis::Secret;
use lapin::runtime::default_runtime;
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::AMQPScheme;
use lapin::{Connection, ConnectionProperties};
use tokio::time::timeout;
use tracing::debug;

use super::call::call_within;
use super::dial;
use crate::broker_address;
use crate::error::QueueError;

/// RabbitMQ proposes 60 s, with which a silent cable is noticed after up to 120 s. Meta waits 5 s for an answer.
const HEARTBEAT_SECONDS: u16 = 10;
/// Longest wait for TCP, TLS and the AMQP opening together.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Longest wait for a connection to close.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Connects to `url`, beginning with address number `first` of its name.
pub(super) async fn connect(url: &Secret, purpose: &str, first: usize) -> Result<Connection, QueueError> {
    match timeout(CONNECT_TIME, open(url, purpose, first)).await {
        Ok(opened) => opened,
        Err(_) => Err(QueueError::Away(format!("no answer within {CONNECT_TIME:?}"))),
    }
}

async fn open(url: &Secret, purpose: &str, first: usize) -> Result<Connection, QueueError> {
    let mut uri = broker_address::parse(url).map_err(QueueError::Away)?;
    uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
    let name = format!("meta-integration-service {purpose}");
    let properties = ConnectionProperties::default().with_connection_name(name.into());

    let away = |error: std::io::Error| QueueError::Away(error.to_string());
    let runtime = default_runtime()?;
    let addresses = dial::addresses(&uri, first).await.map_err(away)?;
    let dialled = dial::first_to_answer(addresses, |address| AsyncTcpStream::connect(&runtime, address));
    let mut stream = dialled.await.map_err(away)?;
    if uri.scheme == AMQPScheme::AMQPS {
        // The certificate has to be for the name in the URL, whichever of its addresses answered.
        stream = stream.into_tls(&uri.authority.host, OwnedTLSConfig::default().as_ref()).await.map_err(away)?;
    }
    let stream = Mutex::new(Some(stream));
    let opened = async move |_, _| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into())
    };
    Ok(Connection::connector(uri, runtime, opened, properties).await?)
}

/// Closes a connection. It may be gone already.
pub(super) async fn close(connection: &Connection) {
    if let Err(error) = call_within(CLOSE_TIME, "connection.close", connection.close(200, "done".into())).await {
        debug!("A connection that was given up did not close: {error}");
    }
}
