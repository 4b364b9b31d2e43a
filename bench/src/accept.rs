//! Signed notifications until 200. The reference is a bare lapin publisher: four AMQP channels, 256 in flight, confirms.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use chassis::Secret;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use tempfile::TempDir;
use testkit::RabbitMq;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Options;
use crate::report::{Round, line, summary};
use crate::rig::{self, Measured};

const SECRET: &str = "app-secret";
const READY: &str = "Notifications are taken at http://";
/// Connections that post at once, unless told otherwise.
const CONNECTIONS: usize = 256;
/// The reference's AMQP channels, and confirms that each awaits at once.
const CHANNELS: usize = 4;
const IN_FLIGHT: usize = 256;

pub(crate) async fn run(options: Options) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = RabbitMq::shared().await;
    let bodies = notifications(options.events);
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let round = bare(&broker.vhost().url(), &bodies).await;
        line("reference", round);
        reference.push(round);
        let round = accept(&broker.vhost().url(), &bodies, options, &folder).await;
        line("ours", round);
        ours.push(round);
    }
    summary(&ours, &reference, options);
}

/// So many, each with its signature.
pub(crate) fn notifications(events: usize) -> Arc<Vec<(Bytes, String)>> {
    let secret = Secret::new(SECRET);
    Arc::new((0..events).map(rig::notification).map(|body| (body.clone(), ingest::sign(&body, &secret))).collect())
}

/// Ingest on that queue, until it has answered all of them.
pub(crate) async fn accept(url: &str, bodies: &Arc<Vec<(Bytes, String)>>, options: Options, folder: &TempDir) -> Round {
    let settings = [
        ("QUEUE_URL", url.to_owned()),
        ("META_APP_SECRETS", SECRET.to_owned()),
        ("META_VERIFY_TOKENS", "verify".to_owned()),
        ("INGEST_LISTEN", "127.0.0.1:0".to_owned()),
        ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let ingest = Measured::start("ingest", &settings, folder, READY).await;
    let address = ingest.says(READY).expect("it said so");
    let address = address.trim_end_matches("/webhook").to_owned();
    let next = Arc::new(AtomicUsize::new(0));
    let (before, started) = (ingest.cpu(), Instant::now());
    let connections = (0..options.parallel.unwrap_or(CONNECTIONS)).map(|_| {
        let (done, finished) = tokio::sync::oneshot::channel();
        let (address, bodies, next) = (address.clone(), Arc::clone(bodies), Arc::clone(&next));
        rig::spawn(async move {
            post_all(&address, &bodies, &next).await;
            done.send(()).ok();
        });
        finished
    });
    for finished in join_all(connections).await {
        finished.expect("every notification was accepted");
    }
    Round { events: bodies.len(), took: started.elapsed(), cpu: Some(ingest.cpu().saturating_sub(before)) }
}

/// One connection: posts what nobody else has posted, one after the other. Plain bytes, because whatever the sender spends
/// is taken from ingest and the broker on the same cores; the reference has no such sender.
async fn post_all(address: &str, bodies: &[(Bytes, String)], next: &AtomicUsize) {
    let mut stream = TcpStream::connect(address).await.expect("ingest listens");
    stream.set_nodelay(true).expect("a socket");
    let (mut request, mut answer) = (Vec::new(), [0; 512]);
    while let Some((body, signature)) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
        request.clear();
        write!(
            request,
            "POST /webhook HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nx-hub-signature-256: {signature}\r\n\r\n",
            body.len()
        )
        .expect("memory");
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

async fn bare(url: &str, bodies: &Arc<Vec<(Bytes, String)>>) -> Round {
    rig::declare(url).await;
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker is up");
    let started = Instant::now();
    let share = bodies.len().div_ceil(CHANNELS);
    let publishers = (0..CHANNELS).map(|number| {
        let (connection, bodies) = (&connection, Arc::clone(bodies));
        async move {
            let channel = connection.create_channel().await.expect("an AMQP channel");
            channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
            let (mut confirms, properties) =
                (FuturesUnordered::new(), BasicProperties::default().with_delivery_mode(2));
            for (body, _) in bodies.iter().skip(number * share).take(share) {
                if confirms.len() == IN_FLIGHT {
                    confirmed(confirms.next().await);
                }
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let queue = "meta.messages.v1".into();
                let sent = channel.basic_publish("".into(), queue, options, body, properties.clone());
                confirms.push(sent.await.expect("it is sent"));
            }
            while !confirms.is_empty() {
                confirmed(confirms.next().await);
            }
        }
    });
    join_all(publishers).await;
    Round { events: bodies.len(), took: started.elapsed(), cpu: None }
}

fn confirmed(confirm: Option<lapin::Result<Confirmation>>) {
    assert!(matches!(confirm, Some(Ok(Confirmation::Ack(None)))), "{confirm:?}");
}
