//! Asks a server which broker it is. A server announces that before a login, and lapin does not expose it.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{AsyncReadExt as _, AsyncWriteExt as _};
use lapin::protocol::connection::{Start, parse_start};
use lapin::runtime::default_runtime;
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::time::timeout;

use super::dial::{self, Node};
use crate::broker_address;
use crate::error::QueueError;
use crate::settings::{QueueLocation, QueueSettings};

/// Longest wait for TCP, TLS and the server's first frame together.
const ASK_TIME: Duration = Duration::from_secs(5);
/// What a client of AMQP 0-9-1 sends first.
const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// A frame begins with its type, its AMQP channel and its size.
const FRAME_HEAD_BYTES: usize = 7;
/// A method frame's payload begins so when it is `connection.start`: class 10, method 10.
const START: [u8; 4] = [0, 10, 0, 10];
/// The longest first frame that is read. RabbitMQ's has less than 1 KiB.
const FRAME_BYTES_MAX: usize = 64 << 10;
/// The oldest version whose queues keep our promises: at-least-once dead-lettering from quorum queues with time limits.
const OLDEST: (u16, u16) = (3, 10);
/// The extensions of AMQP 0-9-1 that we use. Without them a server would silently do something else.
const NEEDED: [&str; 4] = ["publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked"];

/// A broker, as it announces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Such as `RabbitMQ`.
    pub product: String,
    /// Such as `3.10.8`.
    pub version: String,
    missing: Vec<&'static str>,
}

/// What one of the addresses in `QUEUE_URL` answers.
#[derive(Clone, Debug)]
pub struct BrokerNode {
    /// Host and port, and which address of the host if there are several.
    pub address: String,
    /// The broker there, or why it can't be reached.
    pub broker: Result<Broker, String>,
}

impl Broker {
    /// Asks the broker at each address of these settings, over connections that end before a login. Nothing for an embedded
    /// queue. RabbitMQ logs that a client went away early.
    pub async fn ask(settings: &QueueSettings) -> Result<Vec<BrokerNode>, QueueError> {
        let QueueLocation::Amqp(url) = settings.location()? else { return Ok(Vec::new()) };
        let addresses = broker_address::parse(&url).map_err(QueueError::Away)?;
        Ok(join_all(addresses.iter().map(BrokerNode::ask_all)).await.concat())
    }

    fn of(properties: &FieldTable) -> Self {
        let text = |name: &str| properties.inner().get(name).map(text).unwrap_or_default();
        let capabilities = properties.inner().get("capabilities");
        let can = |name: &&str| {
            matches!(capabilities, Some(AMQPValue::FieldTable(table))
                if table.inner().get(*name) == Some(&AMQPValue::Boolean(true)))
        };
        let missing = NEEDED.into_iter().filter(|name| !can(name)).collect();
        Self { product: text("product"), version: text("version"), missing }
    }

    /// Why it can't keep our promises; `None` if it can.
    pub fn trouble(&self) -> Option<String> {
        let release = self.version.split_once('.').and_then(|(major, rest)| {
            let minor = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
            Some((major.parse::<u16>().ok()?, minor.parse::<u16>().ok()?))
        });
        if self.product != "RabbitMQ" {
            return Some("it is not RabbitMQ".to_owned());
        }
        if release.is_none_or(|release| release < OLDEST) {
            return Some(format!("it is older than {}.{}", OLDEST.0, OLDEST.1));
        }
        (!self.missing.is_empty()).then(|| format!("it does not support {}", self.missing.join(", ")))
    }
}

impl BrokerNode {
    /// Asks each node that an address stands for.
    async fn ask_all(uri: &AMQPUri) -> Vec<Self> {
        let found = timeout(ASK_TIME, dial::find(uri)).await;
        match found.unwrap_or_else(|_| Err("its name is not resolved in time".to_owned())) {
            Ok(nodes) => join_all(nodes.iter().map(Self::ask)).await,
            Err(error) => vec![Self { address: broker_address::shown(uri), broker: Err(error) }],
        }
    }

    async fn ask(node: &Node) -> Self {
        let start = timeout(ASK_TIME, start(node)).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let broker = start.map(|start| Broker::of(&start.server_properties)).map_err(|error| error.to_string());
        Self { address: node.shown.clone(), broker }
    }
}

/// Connects, and reads the server's first frame.
async fn start(node: &Node) -> std::io::Result<Start> {
    let uri = &node.uri;
    let unexpected = || std::io::Error::other("it does not speak AMQP 0-9-1");
    let runtime = default_runtime().map_err(std::io::Error::other)?;
    let mut stream = node.open(0, |address| AsyncTcpStream::connect(&runtime, address)).await?;
    if uri.scheme == AMQPScheme::AMQPS {
        stream = stream.into_tls(&uri.authority.host, OwnedTLSConfig::default().as_ref()).await?;
    }
    stream.write_all(HEADER).await?;
    stream.flush().await?;

    let mut head = [0; FRAME_HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
    if head[0] != 1 || size > FRAME_BYTES_MAX {
        return Err(unexpected());
    }
    let mut payload = vec![0; size];
    stream.read_exact(&mut payload).await?;
    read(&payload).ok_or_else(unexpected)
}

fn read(payload: &[u8]) -> Option<Start> {
    let (_, start) = parse_start(payload.strip_prefix(&START)?).ok()?;
    Some(start)
}

fn text(value: &AMQPValue) -> String {
    if let AMQPValue::LongString(text) = value { text.to_string() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RabbitMQ's first frame, with fewer properties.
    const GOLDEN: &[u8] = b"\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x9c\
        \x0ccapabilitiesF\x00\x00\x00\x62\
        \x12publisher_confirmst\x01\
        \x0abasic.nackt\x01\
        \x16consumer_cancel_notifyt\x01\
        \x12connection.blockedt\x01\
        \x0fdirect_reply_tot\x01\
        \x07productS\x00\x00\x00\x08RabbitMQ\
        \x07versionS\x00\x00\x00\x063.10.8\
        \x00\x00\x00\x0ePLAIN AMQPLAIN\x00\x00\x00\x05en_US";

    fn broker(product: &str, version: &str) -> Broker {
        Broker { product: product.to_owned(), version: version.to_owned(), missing: Vec::new() }
    }

    #[test]
    fn a_broker_is_known_by_its_first_frame() {
        let start = read(GOLDEN).expect("it can be read");

        assert_eq!(Broker::of(&start.server_properties), broker("RabbitMQ", "3.10.8"));
        for end in 0..GOLDEN.len() {
            assert!(read(&GOLDEN[..end]).is_none(), "{end} bytes are not enough");
        }
    }

    #[test]
    fn a_broker_that_is_too_old_or_another_or_lacks_an_extension_is_in_trouble() {
        let lacking = Broker { missing: vec!["basic.nack"], ..broker("RabbitMQ", "4.3.1") };

        for good in ["3.10.0", "3.13.7", "4.0.5", "4.2.0-rc.1", "10.0.0"] {
            assert_eq!(broker("RabbitMQ", good).trouble(), None, "{good}");
        }
        for old in ["3.9.29", "2.8", "unknown"] {
            assert_eq!(broker("RabbitMQ", old).trouble().as_deref(), Some("it is older than 3.10"), "{old}");
        }
        assert_eq!(broker("Another", "9.9.9").trouble().as_deref(), Some("it is not RabbitMQ"));
        assert_eq!(lacking.trouble().as_deref(), Some("it does not support basic.nack"));
    }
}
