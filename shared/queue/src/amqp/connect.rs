//! Makes one connection to RabbitMQ, within a limited time, to the first of its nodes that answers. lapin gets a stream that
//! is open already, because it would try the addresses of a name one after the other without a limit for each.

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chassis::Secret;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::runtime::default_runtime;
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::call::call_within;
use super::dial::{self, Node};
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

/// A connection to one of the nodes that a URL names, by their own names or by one that all of them have.
pub(super) struct NodeConnection {
    pub(super) connection: Connection,
    /// The number of the node, as `first` counts.
    pub(super) number: usize,
    /// Host and port, and which address of the host if there are several.
    pub(super) address: String,
    /// Whether there are other nodes that can be tried when this one falls silent.
    pub(super) has_others: bool,
}

/// Connects to a node of `url`, beginning with node number `first`, and going on with those behind it.
pub(super) async fn connect(url: &Secret, purpose: &str, first: usize) -> Result<NodeConnection, QueueError> {
    let uris = broker_address::parse(url).map_err(QueueError::Away)?;
    Nodes::find(&uris).await.connect(purpose, first).await
}

/// The nodes that a URL names, by the number of the address in the URL, and why other addresses stand for none.
#[derive(Default)]
struct Nodes {
    nodes: BTreeMap<usize, Vec<Node>>,
    errors: Vec<String>,
}

impl Nodes {
    /// Resolves the names of all addresses. A name that is not resolved soon is left out if others are.
    async fn find(uris: &[AMQPUri]) -> Self {
        let began = Instant::now();
        let find = async |number: usize| (number, dial::find(&uris[number]).await);
        let mut finding: FuturesUnordered<_> = (0..uris.len()).map(find).collect();
        let mut found = Self::default();
        loop {
            let limit = if found.nodes.is_empty() { CONNECT_TIME } else { NEXT_NODE_DELAY };
            match timeout_at(began + limit, finding.next()).await {
                Ok(Some((number, Ok(nodes)))) => drop(found.nodes.insert(number, nodes)),
                Ok(Some((_, Err(error)))) => found.errors.push(error),
                Ok(None) => return found,
                Err(_) => {
                    found.errors.push(format!("{} names are not resolved in time", finding.len()));
                    return found;
                }
            }
        }
    }

    async fn connect(self, purpose: &str, first: usize) -> Result<NodeConnection, QueueError> {
        let Self { nodes, mut errors } = self;
        let nodes: Vec<Node> = nodes.into_values().flatten().collect();
        let count = nodes.len();
        let has_others = count + errors.len() > 1;
        let numbers = (0..count).map(|next| first.wrapping_add(next)).collect();
        let open_number = async |number: usize| {
            let node = nodes[number % count].clone();
            let address = node.shown.clone();
            let opened = timeout(CONNECT_TIME, open(node, purpose, number / count)).await;
            match opened.unwrap_or_else(|_| Err(format!("no answer within {CONNECT_TIME:?}"))) {
                Ok(connection) => Ok(NodeConnection { connection, number, address, has_others }),
                Err(error) if has_others => Err(format!("{address}: {error}")),
                Err(error) => Err(error),
            }
        };
        let answered = dial::first_to_answer(numbers, NEXT_NODE_DELAY, open_number).await;
        answered.map_err(|more| {
            errors.extend(more);
            // Always in the same order, so that the log sees that a failure is the same.
            errors.sort_unstable();
            QueueError::Away(errors.join("; "))
        })
    }
}

async fn open(node: Node, purpose: &str, first: usize) -> Result<Connection, String> {
    let mut uri = node.uri.clone();
    uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
    let name = format!("meta-integration-service {purpose}");
    let properties = ConnectionProperties::default().with_connection_name(name.into());

    let text = |error: io::Error| error.to_string();
    let runtime = default_runtime().map_err(|error| error.to_string())?;
    let dialled = node.open(first, |address| AsyncTcpStream::connect(&runtime, address));
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
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use testkit::{Link, RabbitMq};

    use super::*;

    /// What a silent node may cost.
    const SILENT_NODE: Duration = Duration::from_secs(1);
    /// What a busy machine may need for what takes some ten milliseconds on a quiet one.
    const BUSY: Duration = Duration::from_secs(2);

    #[tokio::test(flavor = "multi_thread")]
    async fn of_the_addresses_of_one_name_a_dead_one_costs_nothing_and_a_silent_one_a_second() {
        let broker = RabbitMq::shared().await;
        let vhost = broker.vhost();
        let silent = Link::to(broker.address()).await;
        silent.stall();
        let dead = SocketAddr::from(([127, 0, 0, 1], 9));
        let uri: AMQPUri = vhost.url().parse().unwrap();
        let nodes = dial::nodes(&uri, vec![dead, silent.address(), broker.address()]).unwrap();

        for first in 0..3 {
            let started = Instant::now();
            let found = Nodes { nodes: BTreeMap::from([(0, nodes.clone())]), errors: Vec::new() };
            let node = found.connect("test", first).await.unwrap();

            let took = started.elapsed();
            assert!(took < SILENT_NODE + BUSY, "{took:?}");
            assert!(node.has_others, "a node that hangs is left for another one");
            close(&node.connection).await;
        }
    }
}
