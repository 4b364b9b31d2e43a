//! The contract of publishing and taking, which both back ends fulfil.

#![expect(clippy::unwrap_used, reason = "a test stops where it can't go on")]

use bytes::Bytes;
use event::{Class, Envelope};
use queue::{QueueName, QueueSettings, Tier};
use testkit::eventually;

use crate::rig::{
    Rig, contract, dead_letters, envelope, envelopes, give_back_all, nothing_comes, take, take_until, waiting,
};

contract![
    what_is_published_is_taken_whole_and_in_order,
    what_is_not_acknowledged_is_taken_again_in_order,
    what_is_dropped_without_an_acknowledgement_is_taken_again,
    a_whole_window_that_is_given_back_keeps_its_order,
    what_is_given_back_is_taken_again_in_order_and_its_old_outcome_is_ignored,
    an_envelope_says_how_often_it_was_delivered_and_its_copy_begins_anew,
    no_more_than_a_window_is_in_flight,
    nothing_is_taken_while_held,
    a_body_of_three_megabytes_passes_unchanged,
    copies_of_one_event_share_one_outcome,
    a_retry_comes_back_to_its_class_however_often_it_is_repeated,
    an_envelope_that_kills_its_takers_becomes_a_dead_letter_that_can_be_replayed_and_retried,
    callers_that_stop_waiting_hold_up_nobody_else,
    the_number_of_waiting_envelopes_is_a_metric,
];

async fn what_is_published_is_taken_whole_and_in_order(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let sent = envelopes(0..600);

    let _confirmed = rig.queue.publisher().publish_all(&sent).await.unwrap();
    let mut taker = rig.taker(1_000);
    let taken = take(&mut taker, 600).await;

    assert!(taken.iter().map(|taken| &taken.envelope).eq(&sent), "an envelope was changed, or came out of order");
    taken.into_iter().for_each(queue::Taken::acknowledge);
    taker.finish().await;
    assert_eq!(waiting(&rig.queue).await, Some(0));
    rig.stop().await;
}

async fn what_is_not_acknowledged_is_taken_again_in_order(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(0..10)).await.unwrap();

    let mut taker = rig.taker(10);
    let mut taken = take(&mut taker, 10).await;
    taken.remove(4).acknowledge();
    taken.remove(0).acknowledge();
    taker.finish().await;
    drop(taken);
    rig.stop().await;

    let next = Rig::open(&settings).await;
    let mut taker = next.taker(10);
    let again: Vec<_> = take(&mut taker, 8).await.iter().map(|taken| taken.envelope.id.clone()).collect();
    let expected: Vec<_> = [1, 2, 3, 5, 6, 7, 8, 9].map(|serial| envelope(serial).id).to_vec();
    assert_eq!(again, expected);
    taker.finish().await;
    next.stop().await;
}

async fn what_is_dropped_without_an_acknowledgement_is_taken_again(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(0..1)).await.unwrap();
    let mut taker = rig.taker(10);

    drop(take(&mut taker, 1).await);

    let again = take(&mut taker, 1).await.remove(0);
    assert_eq!(again.envelope, envelope(0));
    again.acknowledge();
    taker.finish().await;
    rig.stop().await;
}

async fn what_is_given_back_is_taken_again_in_order_and_its_old_outcome_is_ignored(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(0..10)).await.unwrap();

    let mut taker = rig.taker(5);
    let mut old = take(&mut taker, 3).await;
    old.remove(1).acknowledge();
    give_back_all(&mut taker).await;
    old.into_iter().for_each(queue::Taken::acknowledge);

    let again = take(&mut taker, 5).await;
    let ids: Vec<_> = again.iter().map(|taken| taken.envelope.id.clone()).collect();
    assert_eq!(ids, [0, 2, 3, 4, 5].map(|serial| envelope(serial).id));
    again.into_iter().for_each(queue::Taken::acknowledge);
    take(&mut taker, 4).await.into_iter().for_each(queue::Taken::acknowledge);
    taker.finish().await;
    assert_eq!(waiting(&rig.queue).await, Some(0));
    rig.stop().await;
}

async fn an_envelope_says_how_often_it_was_delivered_and_its_copy_begins_anew(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..1)).await.unwrap();
    let mut taker = rig.taker(5);

    for deliveries in 0..3 {
        let taken = take(&mut taker, 1).await.remove(0);
        assert_eq!(taken.deliveries(), deliveries);
        give_back_all(&mut taker).await;
    }
    let worn = take(&mut taker, 1).await.remove(0);
    assert_eq!(worn.deliveries(), 3);
    let copy = Envelope { copies: 1, ..worn.envelope.clone() };
    let _copied = publisher.publish(QueueName::Retry(Class::Messages, Tier::TenSeconds), &copy).await.unwrap();
    worn.acknowledge();

    let renewed = take(&mut taker, 1).await.remove(0);
    assert_eq!((renewed.deliveries(), &renewed.envelope), (0, &copy));
    renewed.acknowledge();
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}

async fn a_whole_window_that_is_given_back_keeps_its_order(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(0..250)).await.unwrap();
    let in_order = |taken: &[queue::Taken]| {
        let ids: Vec<_> = taken.iter().map(|taken| taken.envelope.id.clone()).collect();
        assert!(ids.is_sorted(), "{ids:?}");
    };

    let mut taker = rig.taker(200);
    let held = take(&mut taker, 200).await;
    give_back_all(&mut taker).await;
    drop(held);
    let again = take(&mut taker, 200).await;
    in_order(&again);
    taker.finish().await;
    drop(again);
    rig.stop().await;

    let next = Rig::open(&settings).await;
    let mut taker = next.taker(250);
    let again = take(&mut taker, 250).await;
    in_order(&again);
    taker.finish().await;
    drop(again);
    next.stop().await;
}

async fn no_more_than_a_window_is_in_flight(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(0..12)).await.unwrap();
    let mut taker = rig.taker(5);

    let mut taken = take(&mut taker, 5).await;
    assert!(nothing_comes(&mut taker).await, "a sixth envelope came");

    taken.remove(0).acknowledge();
    assert_eq!(take(&mut taker, 1).await[0].envelope.id, envelope(5).id);
    taker.finish().await;
    drop(taken);
    rig.stop().await;
}

async fn nothing_is_taken_while_held(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let mut taker = rig.taker(5);
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(0..1)).await.unwrap();
    let in_flight = take(&mut taker, 1).await;

    taker.hold().await;
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(1..3)).await.unwrap();
    assert!(nothing_comes(&mut taker).await, "something was taken");

    taker.resume().await;
    let rest = take(&mut taker, 2).await;
    assert_eq!(rest[0].envelope.id, envelope(1).id);
    in_flight.into_iter().chain(rest).for_each(queue::Taken::acknowledge);
    taker.finish().await;
    assert_eq!(waiting(&rig.queue).await, Some(0));
    rig.stop().await;
}

async fn a_body_of_three_megabytes_passes_unchanged(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let large = Envelope { body: Bytes::from(vec![b'x'; 3 << 20]), ..envelope(0) };

    let _confirmed = rig.queue.publisher().publish_all(std::slice::from_ref(&large)).await.unwrap();

    let mut taker = rig.taker(5);
    let taken = take(&mut taker, 1).await.remove(0);
    assert!(taken.envelope == large);
    taken.acknowledge();
    taker.finish().await;
    rig.stop().await;
}

async fn copies_of_one_event_share_one_outcome(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let repeated = vec![envelope(0), envelope(0), envelope(0), envelope(1)];
    let _confirmed = rig.queue.publisher().publish_all(&repeated).await.unwrap();
    let mut taker = rig.taker(10);

    let taken = take(&mut taker, 2).await;
    assert!(nothing_comes(&mut taker).await, "a copy was handed out beside the first");

    taken.into_iter().for_each(queue::Taken::acknowledge);
    taker.finish().await;
    assert_eq!(waiting(&rig.queue).await, Some(0));
    rig.stop().await;
}

/// Twice, because RabbitMQ 3.10 drops a message that comes back with the `x-death` of its first visit.
async fn a_retry_comes_back_to_its_class_however_often_it_is_repeated(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..1)).await.unwrap();
    let mut taker = rig.taker(5);

    for visits in 1..=2 {
        let taken = take(&mut taker, 1).await.remove(0);
        let copy = Envelope { visits, copies: visits, attempts: 3 * visits, ..taken.envelope.clone() };
        let _confirmed = publisher.publish(QueueName::Retry(Class::Messages, Tier::TenSeconds), &copy).await.unwrap();
        taken.acknowledge();
    }

    let back = take(&mut taker, 1).await.remove(0);
    assert_eq!(back.envelope, Envelope { visits: 2, copies: 2, attempts: 6, ..envelope(0) });
    back.acknowledge();
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}

/// On RabbitMQ 3.10 a message that the broker dead-lettered, and that carries the record of it (`x-death`), vanishes on
/// its way back from a retry queue. So a replay must carry nothing that the broker added.
async fn an_envelope_that_kills_its_takers_becomes_a_dead_letter_that_can_be_replayed_and_retried(
    settings: QueueSettings,
) {
    let rig = Rig::open(&settings).await;
    let _confirmed = rig.queue.publisher().publish_all(&envelopes(0..1)).await.unwrap();
    let mut taker = rig.taker(5);

    let dropping = async {
        loop {
            let taken = taker.take().await.expect("the process does not stop");
            taker.give_back(taken.partition()).await;
        }
    };
    let parking = eventually("the envelope becomes a dead letter", async || {
        let letters = dead_letters(&rig.queue).await.ok()?;
        letters.first().map(|dead| dead.letter.reason.clone())
    });
    let reason = tokio::select! {
        reason = parking => reason,
        () = dropping => unreachable!("this loop has no end"),
    };

    assert_eq!(reason, "delivery_limit");
    let publisher = rig.queue.publisher();
    let _replayed = publisher.publish_all(&envelopes(0..1)).await.unwrap();
    let taken = take(&mut taker, 1).await.remove(0);
    let retry = Envelope { visits: 1, copies: 1, ..taken.envelope.clone() };
    let _copied = publisher.publish(QueueName::Retry(Class::Messages, Tier::TenSeconds), &retry).await.unwrap();
    taken.acknowledge();
    let back = take(&mut taker, 1).await.remove(0);
    assert_eq!(back.envelope, retry);
    back.acknowledge();
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}

async fn callers_that_stop_waiting_hold_up_nobody_else(settings: QueueSettings) {
    let rig = Rig::open(&settings).await;
    let publisher = rig.queue.publisher();

    for serial in 0..100 {
        let sent = envelopes(serial..serial + 1);
        let publish = publisher.publish_all(&sent);
        tokio::pin!(publish);
        // Polled once and then dropped: the publishing task has the request, and nothing waits for its answer.
        assert!(futures_util::poll!(&mut publish).is_pending());
    }

    let _confirmed = publisher.publish_all(&envelopes(100..101)).await.unwrap();
    let mut taker = rig.taker(400);
    take_until(&mut taker, &[envelope(100).id].into()).await;
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}

async fn the_number_of_waiting_envelopes_is_a_metric(settings: QueueSettings) {
    let publishing = Rig::open(&settings).await;
    assert!(publishing.shows(r#"queue_depth{queue="meta.messages.v2"} 0"#));
    let _confirmed = publishing.queue.publisher().publish_all(&envelopes(0..3)).await.unwrap();

    let watching = Rig::open(&settings).await;

    eventually("three envelopes are shown", async || {
        watching.shows(r#"queue_depth{queue="meta.messages.v2"} 3"#).then_some(())
    })
    .await;
    watching.stop().await;
    publishing.stop().await;
}
