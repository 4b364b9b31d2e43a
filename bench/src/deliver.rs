//! Measures deliveries from a full queue to a local sink. The reference is a bare lapin consumer, which acknowledges with
//! `multiple`, and a bare HTTP client.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use channels::{ChannelStore, ChannelsSettings, KeyRing, KeyRingSettings, NewChannel, new_key};
use chassis::{Secret, Shutdown, now};
use clap::Parser as _;
use event::{Address, Class};
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesUnordered, select_all};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use prometheus::Registry;
use queue::BrokerQueue;
use tempfile::TempDir;
use testkit::{RabbitMq, Redis};

use crate::options::Options;
use crate::report::{Round, line, summary};
use crate::rig::{self, Measured};
use crate::sink::Sink;

/// How many delivery tags the reference acknowledges with one frame.
const ACKNOWLEDGE_EVERY: u64 = 100;

pub(crate) async fn run(options: Options) {
    rig::build();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broker = RabbitMq::shared().await;
    let mut ours = Vec::new();
    let mut reference = Vec::new();
    for _ in 0..options.rounds {
        let url = broker.vhost().url();
        rig::fill(&url, options.events).await;
        let round = bare(&url, options.events, window(options)).await;
        line("reference", round);
        reference.push(round);

        let url = broker.vhost().url();
        rig::fill(&url, options.events).await;
        let round = dispatch(&url, options, &folder).await;
        line("ours", round);
        ours.push(round);
    }
    summary(&ours, &reference, options);
}

async fn dispatch(url: &str, options: Options, folder: &TempDir) -> Round {
    let sink = Sink::start().await;
    let redis = Redis::shared().await;
    let key = new_key();
    let key_ring_file = rig::write(folder.path(), "key-ring", key.expose());
    let prefix = redis.prefix();
    store_channel(&redis.url(), &prefix, key).await;
    let settings = [
        ("QUEUE_URL", url.to_owned()),
        ("CHANNELS_URL", redis.url()),
        ("CHANNELS_KEY_PREFIX", prefix),
        ("KEY_RING_FILE", key_ring_file),
        ("DSK_URL", format!("http://{}/events", sink.address)),
        ("DSK_SIGNING_SECRET", "whsec_c2lnbmluZy1zZWNyZXQtZm9yLXRlc3Rz".to_owned()),
        ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("MESSAGES_WINDOW", window(options).to_string()),
    ];
    let started = Instant::now();
    let mut dispatchers = Vec::new();
    for _ in 0..options.parallel.unwrap_or(1) {
        dispatchers.push(Measured::start("dispatcher", &settings, folder, "Taking from the queue").await);
    }
    let elapsed = drain(&sink, options.events, started).await;
    let cpu = dispatchers.iter().map(Measured::cpu).sum();
    Round { events: options.events, elapsed, cpu: Some(cpu) }
}

async fn store_channel(url: &str, prefix: &str, key: Secret) {
    let shutdown = Shutdown::default();
    let metrics = channels::Metrics::register(&Registry::new()).expect("metrics register once");
    let settings = KeyRingSettings { key_ring: Some(key), key_ring_file: None };
    let ring = KeyRing::load(&settings, &metrics).expect("the ring is good");
    let store = ChannelStore::open(&ChannelsSettings::at(url, prefix), metrics, &shutdown).expect("the store opens");
    let store = store.with_key_ring(&ring);
    let channel = NewChannel::new(Address::new(rig::ADDRESS), "tenant", ring.seal(&Secret::new("dsk-token")));
    store.add(&channel, now()).await.expect("Redis is up");
    shutdown.request();
}

/// Waits for all events. The time counts from the first to the last event, so that it does not include the start-up.
async fn drain(sink: &Sink, events: usize, started: Instant) -> Duration {
    let began = testkit::eventually("the first event comes", async || (sink.requests() > 0).then(Instant::now)).await;
    let patience = Duration::from_mins(5);
    testkit::eventually_within(patience, "all come", async || (sink.requests() >= events).then_some(())).await;
    let elapsed = began.elapsed();
    assert!(elapsed < started.elapsed());
    elapsed
}

/// Most requests under way at once, for ours and for the reference.
fn window(options: Options) -> u16 {
    options.window.unwrap_or_else(|| dispatcher::Settings::parse_from(["dispatcher"]).dispatcher.messages_window)
}

async fn bare(url: &str, events: usize, window: u16) -> Round {
    let sink = Sink::start().await;
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker is up");
    let channel = connection.create_channel().await.expect("an AMQP channel");
    channel.basic_qos(window, BasicQosOptions::default()).await.expect("a window");
    let options = BasicConsumeOptions::default();
    let mut consumers = Vec::new();
    for queue in BrokerQueue::of_class(Class::Messages) {
        let queue = queue.as_str();
        let consumer = channel.basic_consume(queue.into(), queue.into(), options, FieldTable::default());
        consumers.push(consumer.await.expect("a queue"));
    }
    let mut consumer = select_all(consumers);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri: hyper::Uri = format!("http://{}/events", sink.address).parse().expect("an address");
    let mut posting = FuturesUnordered::new();
    // Tags that are settled above the first that is not.
    let mut settled = BTreeSet::new();
    let mut settled_count = 0_u64;
    let mut all_settled_to = 0_u64;
    let mut acknowledged_to = 0_u64;
    let started = Instant::now();
    while settled_count < events as u64 {
        tokio::select! {
            Some(delivery) = consumer.next() => {
                let delivery = delivery.expect("a delivery");
                let request = Request::builder().method(Method::POST).uri(uri.clone()).header("content-type", "application/json");
                let request = request.body(Full::new(Bytes::from(delivery.data))).expect("a request");
                let answer = client.request(request);
                posting.push(async move {
                    answer.await.expect("the sink answers").into_body().collect().await.expect("it ends");
                    delivery.delivery_tag
                });
            }
            Some(tag) = posting.next() => {
                settled_count += 1;
                settled.insert(tag);
                while settled.remove(&(all_settled_to + 1)) {
                    all_settled_to += 1;
                }
                if all_settled_to - acknowledged_to >= ACKNOWLEDGE_EVERY || settled_count == events as u64 {
                    channel.basic_ack(all_settled_to, BasicAckOptions { multiple: true }).await.expect("it is ours");
                    acknowledged_to = all_settled_to;
                }
            }
        }
    }
    Round { events, elapsed: started.elapsed(), cpu: None }
}
