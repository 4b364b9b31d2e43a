//! A URL that names several nodes: a dead or silent one costs little, and whatever is lost continues on another one.

use std::time::{Duration, Instant};

use queue::QueueSettings;
use testkit::{Link, RabbitMq, Vhost};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::rig::{Rig, envelopes, publishing_works_again, take, take_until};

/// What a busy machine may need for what takes some ten milliseconds on a quiet one.
const BUSY: Duration = Duration::from_secs(2);
/// What a node that does not answer may cost.
const SILENT_NODE: Duration = Duration::from_secs(1);
/// How often a test begins: the first address is chosen by chance.
const STARTS: usize = 6;

/// The URL of a virtual host through several cables, each of which stands for a node.
fn url_through(vhost: &Vhost<'_>, hosts: &[String]) -> String {
    let one = vhost.url();
    let (user, rest) = one.split_once('@').expect("it names a user");
    let (_, name) = rest.split_once('/').expect("it names a virtual host");
    format!("{user}@{}/{name}", hosts.join(","))
}

/// A queue that is open through two addresses of one broker, as if they were two nodes.
struct TwoNodes {
    rig: Rig,
    first: Link,
    second: Link,
}

impl TwoNodes {
    async fn of(broker: &RabbitMq, vhost: &Vhost<'_>) -> Self {
        let first = Link::to(broker.address()).await;
        let second = Link::to(broker.address()).await;
        let hosts = [&first, &second].map(|link| link.address().to_string());
        let rig = Rig::open(&QueueSettings::at(url_through(vhost, &hosts))).await;
        Self { rig, first, second }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_costs_nothing_and_a_silent_one_a_second_whichever_comes_first() {
    let broker = RabbitMq::shared().await;
    let silent = Link::to(broker.address()).await;
    silent.stall();
    let vhost = broker.vhost();
    let hosts = ["127.0.0.1:9".to_owned(), silent.address().to_string(), broker.address().to_string()];
    let url = url_through(&vhost, &hosts);

    for _ in 0..STARTS {
        let started = Instant::now();
        let rig = Rig::open(&QueueSettings::at(&url)).await;
        let publisher = rig.queue.publisher();
        publishing_works_again(&publisher, 0).await;
        let took = started.elapsed();

        assert!(took < SILENT_NODE + BUSY, "{took:?}");
        drop(publisher);
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_with_a_node_continues_on_another_one() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let TwoNodes { rig, first, second } = TwoNodes::of(broker, &vhost).await;
    let publisher = rig.queue.publisher();
    let mut taker = rig.taker(10);

    for (serial, [lost, other]) in [[&first, &second], [&second, &first]].into_iter().enumerate() {
        let serial = u32::try_from(serial).expect("there are two");
        other.mend();
        lost.cut();
        let started = Instant::now();
        publishing_works_again(&publisher, serial).await;
        take(&mut taker, 1).await.remove(0).acknowledge();

        assert!(started.elapsed() < BUSY, "{:?}", started.elapsed());
    }
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}

/// Heartbeats would notice it after 20 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_falls_silent_is_left_for_another_one_within_four_seconds() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let TwoNodes { rig, first, second } = TwoNodes::of(broker, &vhost).await;
    let publisher = rig.queue.publisher();
    publishing_works_again(&publisher, 0).await;

    for (serial, silent) in [&first, &second].into_iter().enumerate() {
        let serial = u32::try_from(serial).expect("there are two") + 1;
        silent.stall();
        let started = Instant::now();
        publishing_works_again(&publisher, serial).await;
        // Without a probe the round takes 3 s, and then the next AMQP channel 2 s.
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        silent.mend();
    }

    let mut taker = rig.taker(10);
    let sent = envelopes(0..3).into_iter().map(|envelope| envelope.id).collect();
    take_until(&mut taker, &sent).await;
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}

/// A node that is parted from the others answers what it is asked, and never gets a majority for what is published there.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_which_nothing_is_confirmed_is_left_for_another_one() {
    let parted = RabbitMq::start().await;
    let whole = RabbitMq::start().await;
    let vhost = parted.vhost();
    assert_eq!(vhost.name(), whole.vhost().name(), "both have a virtual host of this name");
    let other = Link::to(whole.address()).await;
    let hosts = [parted.address(), other.address()].map(|address| address.to_string());
    other.cut();
    let rig = Rig::open(&QueueSettings::at(url_through(&vhost, &hosts))).await;
    let publisher = rig.queue.publisher();
    publishing_works_again(&publisher, 0).await;

    vhost.pause_all_queues().await;
    other.mend();
    let started = Instant::now();
    publishing_works_again(&publisher, 1).await;

    // A round is late after 3 s.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(publisher);
    rig.stop().await;
}

/// lapin waits for its answer in a thread that nobody ends.
#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_is_given_up_ends_its_stream() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent = listener.local_addr().expect("it listens");
    let url = url_through(&vhost, &[silent.to_string(), broker.address().to_string()]);

    for _ in 0..STARTS {
        let rig = Rig::open(&QueueSettings::at(&url)).await;
        publishing_works_again(&rig.queue.publisher(), 0).await;
        rig.stop().await;
    }

    // Of the openings of all starts some have met the silent address first.
    let (mut stream, _) = listener.accept().await.expect("it listens");
    let mut said = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut said)).await;
    assert!(ended.is_ok(), "the stream is still open: {said:?}");
    assert!(said.starts_with(b"AMQP"), "{said:?}");
}
