//! The contract of dead letters, which both back ends fulfil.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use event::{Envelope, Letter};
use jiff::Timestamp;
use queue::{QueueName, QueueSettings};
use testkit::eventually;

use crate::rig::{Rig, contract, dead_letters, envelope, ids, park};

contract![
    a_dead_letter_keeps_its_reason_however_often_it_is_read,
    a_second_scan_is_refused_and_its_error_names_the_holder,
    what_a_scan_removes_is_gone_and_the_rest_stays_in_its_order,
    a_scan_that_dies_leaves_everything_where_it_was,
];

async fn a_dead_letter_keeps_its_reason_however_often_it_is_read(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let letter = Letter {
        reason: "rejected".to_owned(),
        status: Some(400),
        answer: "no such field".to_owned(),
        parked_at: Timestamp::UNIX_EPOCH,
    };
    let parked = Envelope { letter: Some(letter.clone()), attempts: 1, ..envelope(0) };
    let _confirmed = rig.queue.publisher().publish(QueueName::Dead, &parked).await.unwrap();

    for _ in 0..30 {
        let letters = dead_letters(&rig.queue).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!((&letters[0].letter, &letters[0].envelope), (&letter, &parked));
    }
    rig.stop().await;
}

async fn a_second_scan_is_refused_and_its_error_names_the_holder(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let other = Rig::open(&settings).await;
    let scan = rig.queue.scan_dead_letters().await.unwrap();

    let refused = other.queue.scan_dead_letters().await.unwrap_err().to_string();

    let holder = format!("process {} on ", std::process::id());
    assert!(refused.contains(&holder), "{refused}");
    scan.finish().await.unwrap();
    eventually("the lock is free", async || other.queue.scan_dead_letters().await.ok()).await.finish().await.unwrap();
    rig.stop().await;
    other.stop().await;
}

async fn what_a_scan_removes_is_gone_and_the_rest_stays_in_its_order(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    park(&rig.queue, 0..100).await;
    let mut scan = rig.queue.scan_dead_letters().await.unwrap();
    let mut letters = Vec::new();
    while let Some(letter) = scan.next().await.unwrap() {
        letters.push(letter);
        if letters.len() == 50 {
            // What is parked meanwhile is not read: a replay must not meet its own failures.
            park(&rig.queue, 100..101).await;
        }
    }

    assert_eq!(ids(&letters), (0..100).map(|serial| envelope(serial).id).collect::<Vec<_>>());
    let mut removed = Vec::new();
    let mut left = Vec::new();
    for (serial, letter) in letters.into_iter().enumerate() {
        if serial % 2 == 0 { removed.push(letter) } else { left.push(letter.envelope.id) }
    }
    scan.remove(removed).await.unwrap();
    scan.finish().await.unwrap();

    left.push(envelope(100).id);
    assert_eq!(ids(&dead_letters(&rig.queue).await.unwrap()), left);
    rig.stop().await;
}

async fn a_scan_that_dies_leaves_everything_where_it_was(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    park(&rig.queue, 0..10).await;
    let dying = Rig::open(&settings).await;
    let mut scan = dying.queue.scan_dead_letters().await.unwrap();
    let _one = scan.next().await.unwrap();

    drop(scan);
    dying.stop().await;

    let letters = eventually("the lock is free", async || dead_letters(&rig.queue).await.ok()).await;
    assert_eq!(letters.len(), 10);
    rig.stop().await;
}

/// Erasures are carried out however many dead letters there are and however few AMQP channels the broker grants.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_beyond_the_brokers_limit_of_channels_are_read_in_their_order_and_some_removed() {
    const COUNT: u32 = 13_000;
    let broker = testkit::RabbitMq::start().await;
    let vhost = broker.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;
    park(&rig.queue, 0..COUNT).await;

    // Fewer than 13,000 dead letters take at 2,000 each, and than publishing has.
    broker.limit_channels(8).await;
    let mut scan = rig.queue.scan_dead_letters().await.unwrap();
    let mut serial = 0;
    while let Some(letter) = scan.next().await.unwrap() {
        assert_eq!(letter.envelope.id, envelope(serial).id);
        if serial % 100 == 0 {
            scan.remove(vec![letter]).await.unwrap();
        }
        serial += 1;
    }
    assert_eq!(serial, COUNT);
    scan.finish().await.unwrap();

    let left: Vec<_> = (0..COUNT).filter(|serial| serial % 100 != 0).map(|serial| envelope(serial).id).collect();
    assert_eq!(ids(&dead_letters(&rig.queue).await.unwrap()), left);
    // Reading alone changes no order either: nothing is removed, so the AMQP channels give back by closing.
    assert_eq!(ids(&dead_letters(&rig.queue).await.unwrap()), left);
    rig.stop().await;
}
