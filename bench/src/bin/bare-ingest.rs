//! The least that an ingest could be: HTTP, the signature, one confirmed publish, 200. `bench` measures ours against it.
//!
//! It is correct on a good day only: it splits nothing, bounds nothing, notices no returned message, and ends when the
//! broker does.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench::setting;
use bytes::Bytes;
use chassis::Secret;
use event::Class;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ingest::{ClaimedSignature, SignedBody};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use queue::BrokerQueue;
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// AMQP channels on which it publishes.
const CHANNELS: usize = 4;

struct Bare {
    secrets: [Secret; 1],
    channels: Vec<Channel>,
    queues: Vec<ShortString>,
    next: AtomicUsize,
}

#[tokio::main]
async fn main() {
    let connection = Connection::connect(&setting("QUEUE_URL"), ConnectionProperties::default()).await;
    let connection = connection.expect("the broker is up");
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let channel = connection.create_channel().await.expect("an AMQP channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        channels.push(channel);
    }
    let queues = BrokerQueue::of_class(Class::Messages).map(|queue| queue.as_str().into()).collect();
    let secrets = [Secret::new(setting("META_APP_SECRETS"))];
    let bare = Arc::new(Bare { secrets, channels, queues, next: AtomicUsize::new(0) });
    let listener = TcpListener::bind(setting("INGEST_LISTEN")).await.expect("the address is free");
    eprintln!("Notifications are taken at http://{}/webhook", listener.local_addr().expect("it listens"));
    loop {
        let (stream, _) = listener.accept().await.expect("it listens");
        serve(stream, Arc::clone(&bare));
    }
}

#[expect(clippy::disallowed_methods, reason = "it is no service: nothing has to wait for its tasks at the end")]
fn serve(stream: TcpStream, bare: Arc<Bare>) {
    stream.set_nodelay(true).expect("a socket");
    tokio::spawn(async move {
        let answer = service_fn(move |request| accept(request, Arc::clone(&bare)));
        // A sender that is done closes its connection.
        http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await.ok();
    });
}

async fn accept(request: Request<Incoming>, bare: Arc<Bare>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let claimed = request.headers().get("x-hub-signature-256").map(|header| header.as_bytes().to_vec());
    let body = request.into_body().collect().await.expect("the whole body comes").to_bytes();
    let signed = ClaimedSignature::parse(claimed.as_deref())
        .and_then(|claimed| SignedBody::verify(body, &claimed, &bare.secrets));
    let mut answer = Response::new(Empty::new());
    match signed {
        Ok(body) => bare.publish(body.bytes()).await,
        Err(_) => *answer.status_mut() = StatusCode::UNAUTHORIZED,
    }
    Ok(answer)
}

impl Bare {
    async fn publish(&self, body: &[u8]) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let queue = self.queues[number % self.queues.len()].clone();
        let channel = &self.channels[number % self.channels.len()];
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let confirm = channel.basic_publish(ShortString::default(), queue, options, body, properties).await;
        let confirmation = confirm.expect("it is sent").await.expect("it is confirmed");
        assert!(confirmation.is_ack(), "{confirmation:?}");
    }
}
