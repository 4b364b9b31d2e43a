//! The least that a dispatcher could be: consume, sign, post, acknowledge. `bench` measures ours against it.
//!
//! It is correct on a good day only: it knows no channel, no duplicate, no order and no second attempt, and ends when DSK
//! or the broker does.

use std::collections::BTreeSet;

use bench::setting;
use bytes::Bytes;
use chassis::{Secret, SignedContent, SigningSecret, now};
use event::Class;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesUnordered, select_all};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use queue::BrokerQueue;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many delivery tags it acknowledges with one frame, while more are to come.
const ACKNOWLEDGE_EVERY: u64 = 100;

#[tokio::main]
async fn main() {
    let poster = Poster {
        client: Client::builder(TokioExecutor::new()).build(connector()),
        uri: setting("DSK_URL").parse().expect("an address"),
        secret: SigningSecret::parse(&Secret::new(setting("DSK_SIGNING_SECRET"))).expect("a signing secret"),
    };
    let window: u16 = setting("MESSAGES_WINDOW").parse().expect("a number");
    let connection = Connection::connect(&setting("QUEUE_URL"), ConnectionProperties::default()).await;
    let channel = connection.expect("the broker is up").create_channel().await.expect("an AMQP channel");
    channel.basic_qos(window, BasicQosOptions::default()).await.expect("a window");
    let consumers = consume(&channel).await;
    eprintln!("Taking from the queue");
    deliver(&channel, consumers, &poster, window.into()).await;
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

async fn consume(channel: &Channel) -> Vec<Consumer> {
    let mut consumers = Vec::new();
    for queue in BrokerQueue::of_class(Class::Messages) {
        let name = queue.as_str();
        let consumer =
            channel.basic_consume(name.into(), name.into(), BasicConsumeOptions::default(), FieldTable::default());
        consumers.push(consumer.await.expect("a queue"));
    }
    consumers
}

/// Delivers with at most `window` requests under way. (The prefetch counts for each of the consumers.)
async fn deliver(channel: &Channel, consumers: Vec<Consumer>, poster: &Poster, window: usize) {
    let mut taken = select_all(consumers);
    let mut posting = FuturesUnordered::new();
    let mut settled = Settled::default();
    loop {
        tokio::select! {
            Some(delivery) = taken.next(), if posting.len() < window => posting.push(poster.post(delivery.expect("a delivery"))),
            Some(tag) = posting.next() => {
                settled.add(tag);
                if settled.unsaid() >= ACKNOWLEDGE_EVERY || posting.is_empty() {
                    settled.say(channel).await;
                }
            }
            else => return,
        }
    }
}

/// Posts what it is given, with a signature by Standard Webhooks.
struct Poster {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
    secret: SigningSecret,
}

impl Poster {
    /// Posts it, and returns its delivery tag.
    async fn post(&self, delivery: Delivery) -> u64 {
        let id = delivery.delivery_tag.to_string();
        let timestamp = now().as_second();
        let signature = self.secret.sign(SignedContent { id: &id, timestamp, body: &delivery.data });
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header("content-type", "application/json")
            .header("authorization", "Bearer dsk-token")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::new(Bytes::from(delivery.data)))
            .expect("a request");
        let answer = self.client.request(request).await.expect("the sink answers");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.into_body().collect().await.expect("it ends");
        delivery.delivery_tag
    }
}

/// Which delivery tags are settled, and how far that was said to the broker.
#[derive(Default)]
struct Settled {
    /// Tags above the first one that is not settled.
    above: BTreeSet<u64>,
    all_to: u64,
    said_to: u64,
}

impl Settled {
    fn add(&mut self, tag: u64) {
        self.above.insert(tag);
        while self.above.remove(&(self.all_to + 1)) {
            self.all_to += 1;
        }
    }

    fn unsaid(&self) -> u64 {
        self.all_to - self.said_to
    }

    async fn say(&mut self, channel: &Channel) {
        if self.unsaid() > 0 {
            channel.basic_ack(self.all_to, BasicAckOptions { multiple: true }).await.expect("it is ours");
            self.said_to = self.all_to;
        }
    }
}
