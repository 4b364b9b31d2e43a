//! Sweeps of many scans, in RabbitMQ and in files.

use bytes::Bytes;
use event::{Address, Class, Envelope, EventId, EventType, Lane, Letter};
use prometheus::Registry;
use queue::{Metrics, QueueName, QueueSettings};

use super::*;

const COUNT: usize = 8;

/// Makes of each claim one test on RabbitMQ and one on files.
macro_rules! claims {
    ($($claim:ident),* $(,)?) => {
        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let vhost = testkit::RabbitMq::shared().await.vhost();
                super::$claim(super::open(&queue::QueueSettings::at(vhost.url())).await).await;
            })*
        }

        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                let folder = tempfile::tempdir().unwrap();
                super::$claim(super::open(&queue::QueueSettings::embedded(folder.path())).await).await;
            })*
        }
    };
}

claims![
    a_sweep_of_many_scans_shows_every_dead_letter_once_and_ends,
    what_was_removed_is_gone_whichever_scan_showed_it,
    what_is_parked_during_a_sweep_does_not_prolong_it,
    a_stop_ends_a_sweep_and_gives_back_what_it_read,
    a_scan_that_only_skips_ends_at_its_limit_and_gives_back_what_it_read,
];

async fn open(settings: &QueueSettings) -> Queue {
    let shutdown = Shutdown::default();
    let queue = Queue::open(settings, Metrics::register(&Registry::new()).unwrap(), &shutdown).await.unwrap();
    park(&queue, 0..COUNT).await;
    queue
}

async fn park(queue: &Queue, serials: std::ops::Range<usize>) {
    for serial in serials {
        let _confirmed = queue.publisher().publish(QueueName::Dead, &letter(serial)).await.unwrap();
    }
}

fn letter(serial: usize) -> Envelope {
    let at = now();
    let answer = String::new();
    Envelope {
        id: EventId::new(format!("evt_{serial}")),
        event_type: EventType::new("whatsapp.message"),
        address: Address::new("whatsapp:1"),
        lane: Lane::new(format!("whatsapp:1/{serial}")),
        class: Class::Messages,
        effect: None,
        received_at: at,
        queued_at: at,
        attempts: 1,
        visits: 0,
        copies: 0,
        traceparent: None,
        letter: Some(Letter { reason: "rejected".to_owned(), status: Some(422), answer, parked_at: at }),
        body: Bytes::from_static(b"{}"),
    }
}

/// A sweep whose scans end after one dead letter.
async fn sweep(queue: &Queue) -> Sweep<'_> {
    with_limits(queue, ScanLimits { once_further: Duration::ZERO, ..ScanLimits::DEFAULT }).await
}

async fn with_limits(queue: &Queue, limits: ScanLimits) -> Sweep<'_> {
    let sweep = Sweep::begin(queue, &Shutdown::default()).await.unwrap();
    Sweep { progress: SweepProgress::new(limits), ..sweep }
}

fn ids(letters: &[DeadLetter]) -> Vec<String> {
    letters.iter().map(|letter| letter.envelope.id.to_string()).collect()
}

fn all() -> Vec<String> {
    (0..COUNT).map(|serial| format!("evt_{serial}")).collect()
}

async fn a_sweep_of_many_scans_shows_every_dead_letter_once_and_ends(queue: Queue) {
    let mut sweep = sweep(&queue).await;

    let mut shown = Vec::new();
    while let Some(letter) = sweep.next(|_| true).await.unwrap() {
        shown.push(letter);
    }
    sweep.finish().await.unwrap();

    assert_eq!(ids(&shown), all());
}

async fn what_was_removed_is_gone_whichever_scan_showed_it(queue: Queue) {
    let is_even = |letter: &DeadLetter| letter.envelope.id.as_str().ends_with(['0', '2', '4', '6']);
    let mut first = sweep(&queue).await;
    loop {
        let batch = first.next_batch(3, is_even).await.unwrap();
        if batch.is_empty() {
            break;
        }
        first.remove(batch).await.unwrap();
    }
    first.finish().await.unwrap();

    let mut second = Sweep::begin(&queue, &Shutdown::default()).await.unwrap();
    let left = second.next_batch(COUNT, |_| true).await.unwrap();
    second.finish().await.unwrap();
    assert_eq!(ids(&left), ["evt_1", "evt_3", "evt_5", "evt_7"]);
}

async fn what_is_parked_during_a_sweep_does_not_prolong_it(queue: Queue) {
    let mut sweep = sweep(&queue).await;

    let mut shown = 0;
    while sweep.next(|_| true).await.unwrap().is_some() {
        shown += 1;
        park(&queue, COUNT + shown..COUNT + shown + 1).await;
    }
    sweep.finish().await.unwrap();

    assert_eq!(shown, COUNT);
}

async fn a_stop_ends_a_sweep_and_gives_back_what_it_read(queue: Queue) {
    let shutdown = Shutdown::default();
    let mut stopped = Sweep::begin(&queue, &shutdown).await.unwrap();
    assert!(stopped.next(|_| true).await.unwrap().is_some());
    shutdown.request();
    assert!(stopped.next(|_| true).await.is_err());
    stopped.finish().await.unwrap();

    let mut sweep = Sweep::begin(&queue, &Shutdown::default()).await.unwrap();
    assert_eq!(ids(&sweep.next_batch(COUNT, |_| true).await.unwrap()), all());
    sweep.finish().await.unwrap();
}

async fn a_scan_that_only_skips_ends_at_its_limit_and_gives_back_what_it_read(queue: Queue) {
    let none = Duration::ZERO;
    let mut slow = with_limits(&queue, ScanLimits { once_further: none, in_all: none }).await;
    assert!(slow.next(|_| true).await.unwrap().is_some());

    assert!(slow.next(|_| true).await.is_err());
    slow.finish().await.unwrap();

    let mut sweep = Sweep::begin(&queue, &Shutdown::default()).await.unwrap();
    assert_eq!(ids(&sweep.next_batch(COUNT, |_| true).await.unwrap()), all());
    sweep.finish().await.unwrap();
}
