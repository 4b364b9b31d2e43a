//! Makes one connection to RabbitMQ, within a limited time, to the first of its nodes that answers. lapin gets a stream that
//! is open already, because it would try the addresses of a name one after the other without a limit for each.

use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chassis::Secret;
use lapin::runtime::default_runtime;
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use tokio::time::timeout;
use tracing::debug;

use super::call::call_within;
use super::dial;
use crate::broker_address;
use crate::error::QueueError;

/// RabbitMQ proposes 60 s, with which a silent cable is noticed after up to 120 s. Meta waits 5 s for an answer.
const HEARTBEAT_SECONDS: u16 = 10;
/// Longest wait for TCP, TLS and the AMQP opening of one node together.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a node may take before the next one is tried beside it: a healthy one takes some ten milliseconds. A slow one
/// goes on meanwhile, so a cluster under load can still be reached.
const NEXT_NODE_DELAY: Duration = Duration::from_secs(1);
/// Longest wait for a connection to close.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// A connection to one of the nodes that a URL names.
pub(super) struct NodeConnection {
    pub(super) connection: Connection,
    /// The number of the node's address, as `first` counts.
    pub(super) number: usize,
    /// Host and port.
    pub(super) address: String,
    /// Whether there are other nodes that can be tried when this one falls silent.
    pub(super) has_others: bool,
}

/// Connects to a node of `url`, beginning with address number `first`, and going on with those behind it.
pub(super) async fn connect(url: &Secret, purpose: &str, first: usize) -> Result<NodeConnection, QueueError> {
    let addresses = broker_address::parse(url).map_err(QueueError::Away)?;
    let count = addresses.len();
    let numbers = (0..count).map(|next| first.wrapping_add(next)).collect();
    let open_number = async |number: usize| {
        let uri = addresses[number % count].clone();
        let address = broker_address::shown(&uri);
        let opened = timeout(CONNECT_TIME, open(uri, purpose, number / count)).await;
        match opened.unwrap_or_else(|_| Err(format!("no answer within {CONNECT_TIME:?}"))) {
            Ok(connection) => Ok(NodeConnection { connection, number, address, has_others: count > 1 }),
            Err(error) if count > 1 => Err(format!("{address}: {error}")),
            Err(error) => Err(error),
        }
    };
    let answered = dial::first_to_answer(numbers, NEXT_NODE_DELAY, open_number).await;
    answered.map_err(|mut errors| {
        // Always in the same order, so that the log sees that a failure is the same.
        errors.sort_unstable();
        QueueError::Away(errors.join("; "))
    })
}

async fn open(mut uri: AMQPUri, purpose: &str, first: usize) -> Result<Connection, String> {
    uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
    let name = format!("meta-integration-service {purpose}");
    let properties = ConnectionProperties::default().with_connection_name(name.into());

    let text = |error: std::io::Error| error.to_string();
    let runtime = default_runtime().map_err(|error| error.to_string())?;
    let dialled = dial::open(&uri, first, |address| AsyncTcpStream::connect(&runtime, address));
    let mut stream = dialled.await.map_err(text)?;
    let unfinished = if let AsyncTcpStream::Plain(plain) = &stream {
        Unfinished(plain.get_ref().as_fd().try_clone_to_owned().ok().map(TcpStream::from))
    } else {
        Unfinished(None)
    };
    if uri.scheme == AMQPScheme::AMQPS {
        // The certificate has to be for the name in the URL, whichever of its addresses answered.
        stream = stream.into_tls(&uri.authority.host, OwnedTLSConfig::default().as_ref()).await.map_err(text)?;
    }
    let stream = Mutex::new(Some(stream));
    let opened = async move |_, _| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into())
    };
    let connection =
        Connection::connector(uri, runtime, opened, properties).await.map_err(|error| error.to_string())?;
    unfinished.finished();
    Ok(connection)
}

/// The stream of an opening that is not finished. Dropped, it ends the stream: lapin's thread would wait for the answer of a
/// silent node for ever, and each attempt would leave one more.
struct Unfinished(Option<TcpStream>);

impl Unfinished {
    fn finished(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            // It may have ended by itself.
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

/// Closes a connection. It may be gone already.
pub(super) async fn close(connection: &Connection) {
    if let Err(error) = call_within(CLOSE_TIME, "connection.close", connection.close(200, "done".into())).await {
        debug!("A connection that was given up did not close: {error}");
    }
}
