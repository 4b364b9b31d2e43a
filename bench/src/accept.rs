//! Measures signed notifications until 200. The reference is a bare lapin publisher with confirms, on four AMQP channels
//! with 256 messages in flight on each.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use chassis::Secret;
use event::Class;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use queue::BrokerQueue;
use tempfile::TempDir;
use testkit::RabbitMq;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::options::Options;
use crate::report::{Round, line, summary};
use crate::rig::{self, Measured};

const SECRET: &str = "app-secret";
const READY: &str = "Notifications are taken at http://";
/// Connections that post at once, unless `--parallel` is given.
const CONNECTIONS: usize = 256;
/// AMQP channels of the reference.
const CHANNELS: usize = 4;
/// Most confirms that each of them awaits at once.
const IN_FLIGHT: usize = 256;

pub(crate) async fn run(options: Options) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = RabbitMq::shared().await;
    let notifications = notifications(options.events);
    let mut ours = Vec::new();
    let mut reference = Vec::new();
    for _ in 0..options.rounds {
        let round = bare(&broker.vhost().url(), &notifications).await;
        line("reference", round);
        reference.push(round);
        let round = accept(&broker.vhost().url(), &notifications, options, &folder).await;
        line("ours", round);
        ours.push(round);
    }
    summary(&ours, &reference, options);
}

/// A notification's body and the signature that Meta would send with it.
pub(crate) struct SignedNotification {
    body: Bytes,
    signature: String,
}

/// Makes notifications with one event each.
pub(crate) fn notifications(events: usize) -> Arc<Vec<SignedNotification>> {
    let secret = Secret::new(SECRET);
    let signed = |body: Bytes| SignedNotification { signature: ingest::sign(&body, &secret), body };
    Arc::new((0..events).map(rig::notification).map(signed).collect())
}

/// Posts all notifications to an ingest that publishes to the queue at `url`.
pub(crate) async fn accept(
    url: &str,
    notifications: &Arc<Vec<SignedNotification>>,
    options: Options,
    folder: &TempDir,
) -> Round {
    let settings = [
        ("QUEUE_URL", url.to_owned()),
        ("META_APP_SECRETS", SECRET.to_owned()),
        ("META_VERIFY_TOKENS", "verify".to_owned()),
        ("INGEST_LISTEN", "127.0.0.1:0".to_owned()),
        ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let ingest = Measured::start("ingest", &settings, folder, READY).await;
    let address = ingest.logged(READY).expect("it has logged its address");
    let address = address.trim_end_matches("/webhook").to_owned();
    let next = Arc::new(AtomicUsize::new(0));
    let cpu_before = ingest.cpu();
    let started = Instant::now();
    let connections = (0..options.parallel.unwrap_or(CONNECTIONS)).map(|_| {
        let (done, finished) = tokio::sync::oneshot::channel();
        let address = address.clone();
        let notifications = Arc::clone(notifications);
        let next = Arc::clone(&next);
        rig::spawn(async move {
            post_all(&address, &notifications, &next).await;
            done.send(()).ok();
        });
        finished
    });
    for finished in join_all(connections).await {
        finished.expect("every notification was accepted");
    }
    let elapsed = started.elapsed();
    Round { events: notifications.len(), elapsed, cpu: Some(ingest.cpu().saturating_sub(cpu_before)) }
}

/// Posts on one connection, one after the other, the notifications that no other connection has posted. It writes plain
/// bytes, because the sender uses the same cores as ingest and the broker, and the reference has no such sender.
async fn post_all(address: &str, notifications: &[SignedNotification], next: &AtomicUsize) {
    let mut stream = TcpStream::connect(address).await.expect("ingest listens");
    stream.set_nodelay(true).expect("a socket");
    let mut request = Vec::new();
    let mut answer = [0; 512];
    while let Some(SignedNotification { body, signature }) = notifications.get(next.fetch_add(1, Ordering::Relaxed)) {
        request.clear();
        write!(
            request,
            "POST /webhook HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nx-hub-signature-256: {signature}\r\n\r\n",
            body.len()
        )
        .expect("writing to memory cannot fail");
        request.extend_from_slice(body);
        stream.write_all(&request).await.expect("ingest reads");
        let mut read = 0;
        while !answer[..read].ends_with(b"\r\n\r\n") {
            let more = stream.read(&mut answer[read..]).await.expect("ingest answers");
            assert_ne!(more, 0, "ingest closed the connection");
            read += more;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..read]));
    }
}

async fn bare(url: &str, notifications: &[SignedNotification]) -> Round {
    rig::declare(url).await;
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker is up");
    let started = Instant::now();
    let share = notifications.len().div_ceil(CHANNELS);
    join_all(notifications.chunks(share.max(1)).map(|share| publish_all(&connection, share))).await;
    Round { events: notifications.len(), elapsed: started.elapsed(), cpu: None }
}

async fn publish_all(connection: &Connection, notifications: &[SignedNotification]) {
    let channel = connection.create_channel().await.expect("an AMQP channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    let properties = BasicProperties::default().with_delivery_mode(2);
    let mut confirms = FuturesUnordered::new();
    let mut queues = BrokerQueue::of_class(Class::Messages).collect::<Vec<_>>().into_iter().cycle();
    for notification in notifications {
        if confirms.len() == IN_FLIGHT {
            assert_confirmed(confirms.next().await);
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let queue = queues.next().expect("there are partitions").as_str().into();
        let sent = channel.basic_publish("".into(), queue, options, &notification.body, properties.clone());
        confirms.push(sent.await.expect("the message is sent"));
    }
    while !confirms.is_empty() {
        assert_confirmed(confirms.next().await);
    }
}

fn assert_confirmed(confirm: Option<lapin::Result<Confirmation>>) {
    assert!(matches!(confirm, Some(Ok(Confirmation::Ack(None)))), "{confirm:?}");
}
