//! A lane keeps its order whichever process takes it, while processes join, leave and die.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use event::{Class, Envelope, Lane};
use lapin::options::ExchangeDeleteOptions;
use queue::{Publisher, QueueName, QueueSettings, Taken, Taker, Tier};
use testkit::{RabbitMq, eventually};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::rig::{Rig, envelope, envelopes, nothing_comes, take};

/// Lanes enough that every partition has some.
const LANES: u32 = 64;
/// Messages of each lane.
const OF_A_LANE: u32 = 40;
/// How long a message is in flight.
const WORK_TIME: Duration = Duration::from_millis(5);

/// Takes class `messages` as the process of this name.
fn taker(rig: &Rig, instance: &str, window: u16) -> Taker {
    rig.queue.taker(Class::Messages, window, instance).expect("RabbitMQ has as many as one likes")
}

/// Message number `turn` of lane number `lane`.
fn of_lane(lane: u32, turn: u32) -> Envelope {
    Envelope { lane: Lane::new(format!("whatsapp:1/{lane}")), ..envelope(lane * 1_000 + turn) }
}

/// The messages of each lane in the order in which they first came, and by whom they were taken.
type Journal = Mutex<BTreeMap<String, Vec<(u32, &'static str)>>>;

/// Takes, writes down, and acknowledges after a while, until it ends as if its process died.
async fn work(mut taker: Taker, instance: &'static str, journal: &Journal, dies: oneshot::Receiver<()>) {
    let mut in_flight: VecDeque<(Instant, Taken)> = VecDeque::new();
    let work = async {
        loop {
            let due = in_flight.front().map_or_else(|| Instant::now() + WORK_TIME, |(due, _)| *due);
            tokio::select! {
                taken = taker.take() => {
                    let taken = taken.expect("the process does not stop");
                    note(journal, instance, &taken);
                    in_flight.push_back((Instant::now() + WORK_TIME, taken));
                }
                () = sleep_until(due) => in_flight.pop_front().into_iter().for_each(|(_, taken)| taken.acknowledge()),
            }
        }
    };
    tokio::select! {
        () = work => {}
        _ = dies => {}
    }
}

fn note(journal: &Journal, instance: &'static str, taken: &Taken) {
    let envelope = &taken.envelope;
    let turn: u32 = envelope.id.as_str().trim_start_matches("evt_").parse::<u32>().expect("a number") % 1_000;
    let mut journal = journal.lock().expect("nobody panics");
    let turns = journal.entry(envelope.lane.as_str().to_owned()).or_default();
    if !turns.iter().any(|(noted, _)| *noted == turn) {
        turns.push((turn, instance));
    }
}

async fn publish_turns(publisher: Publisher) {
    for turn in 0..OF_A_LANE {
        let sent: Vec<Envelope> = (0..LANES).map(|lane| of_lane(lane, turn)).collect();
        let _confirmed = publisher.publish_all(&sent).await.expect("the broker is well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_keep_their_order_while_processes_join_leave_and_die() {
    let vhost = RabbitMq::shared().await.vhost();
    let settings = QueueSettings::at(vhost.url());
    let journal = Journal::default();
    let all = (LANES * OF_A_LANE) as usize;
    let quarters = async |quarters: usize| {
        let count = || journal.lock().expect("nobody panics").values().map(Vec::len).sum::<usize>();
        eventually(&format!("{quarters} of 4 parts are taken"), async || (count() >= all / 4 * quarters).then_some(()))
            .await;
    };
    let rigs = [Rig::open(&settings).await, Rig::open(&settings).await, Rig::open(&settings).await];
    let (first_dies, first_death) = oneshot::channel();
    let (second_dies, second_death) = oneshot::channel();
    let (third_dies, third_death) = oneshot::channel();

    let first = work(taker(&rigs[0], "a", 20), "a", &journal, first_death);
    let others = async {
        quarters(1).await;
        let second = work(taker(&rigs[1], "b", 20), "b", &journal, second_death);
        let third = work(taker(&rigs[2], "c", 20), "c", &journal, third_death);
        let deaths = async {
            quarters(2).await;
            second_dies.send(()).ok();
            quarters(3).await;
            first_dies.send(()).ok();
            quarters(4).await;
            third_dies.send(()).ok();
        };
        tokio::join!(second, third, deaths);
    };
    tokio::join!(publish_turns(rigs[0].queue.publisher()), first, others);

    let expected: Vec<u32> = (0..OF_A_LANE).collect();
    for (lane, turns) in journal.lock().expect("nobody panics").iter() {
        let came: Vec<u32> = turns.iter().map(|(turn, _)| *turn).collect();
        assert_eq!(came, expected, "{lane}: {turns:?}");
    }
    for rig in rigs {
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_goes_to_the_next_process_before_what_waits() {
    let vhost = RabbitMq::shared().await.vhost();
    let settings = QueueSettings::at(vhost.url());
    let rig = Rig::open(&settings).await;
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(0..300)).await.expect("the broker is well");
    let mut first = taker(&rig, "a", 100);
    let held = take(&mut first, 100).await;
    let next = Rig::open(&settings).await;
    let mut second = taker(&next, "b", 300);
    // Its consumers come behind those of the first.
    nothing_comes(&mut second).await;

    first.finish().await;
    drop(held);

    let taken = take(&mut second, 300).await;
    assert!(taken.iter().map(|taken| &taken.envelope).eq(&envelopes(0..300)), "it came in another order");
    drop(taken);
    second.finish().await;
    rig.stop().await;
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_queue_whose_exchange_is_deleted_heals() {
    let vhost = RabbitMq::shared().await.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    let connection = lapin::Connection::connect(&vhost.url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let name = QueueName::Retry(Class::Messages, Tier::TenSeconds);
    channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default()).await.expect("it is there");

    let copy = Envelope { copies: 1, ..envelope(1) };
    let publisher = rig.queue.publisher();
    let published = eventually("the exchange is there again", async || publisher.publish(name, &copy).await.ok());
    let _confirmed = published.await;
    drop(publisher);

    let mut taker = rig.taker(10);
    assert_eq!(take(&mut taker, 1).await.remove(0).envelope, copy);
    taker.finish().await;
    rig.stop().await;
}
