//! Faults of the disk: an embedded queue that cannot be written refuses publishes, and loses no acknowledgement.

use queue::{PublishError, QueueSettings};
use testkit::eventually;

use crate::rig::{Rig, envelopes, nothing_comes, publishing_works_again, take};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_that_could_not_be_written_are_written_once_the_disk_works_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = QueueSettings::embedded(folder.path());
    let rig = Rig::open(&settings).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..3)).await.unwrap();
    let mut taker = rig.taker(10);
    let taken = take(&mut taker, 3).await;

    // Without its table, every commit of the queue fails at once.
    let disk = sqlite::open(folder.path(), "queue.db", "").unwrap();
    disk.execute_batch("ALTER TABLE envelope RENAME TO hidden").unwrap();
    taken.into_iter().for_each(queue::Taken::acknowledge);
    for _ in 0..3 {
        let refused = publisher.publish_all(&envelopes(3..4)).await.map(drop);
        assert_eq!(refused, Err(PublishError::Refused));
    }
    disk.execute_batch("ALTER TABLE hidden RENAME TO envelope").unwrap();

    publishing_works_again(&publisher, 4).await;
    take(&mut taker, 1).await.remove(0).acknowledge();
    taker.finish().await;
    drop(publisher);
    rig.stop().await;

    let next = Rig::open(&settings).await;
    let mut taker = next.taker(10);
    assert!(nothing_comes(&mut taker).await, "an acknowledged envelope was taken again");
    taker.finish().await;
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_can_not_be_written_is_not_ready_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::open(&QueueSettings::embedded(folder.path())).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..1)).await.unwrap();
    let connected = |rig: &Rig, value: u8| {
        ["publish", "take"].iter().all(|side| rig.shows(&format!(r#"queue_connected{{side="{side}"}} {value}"#)))
    };
    eventually("it is shown as connected", async || connected(&rig, 1).then_some(())).await;

    let disk = sqlite::open(folder.path(), "queue.db", "").unwrap();
    disk.execute_batch("ALTER TABLE envelope RENAME TO hidden").unwrap();
    assert_eq!(publisher.publish_all(&envelopes(1..2)).await.map(drop), Err(PublishError::Refused));
    assert!(rig.queue.trouble().is_some_and(|trouble| trouble.contains("can't be written")));
    eventually("it is shown as not connected", async || connected(&rig, 0).then_some(())).await;

    disk.execute_batch("ALTER TABLE hidden RENAME TO envelope").unwrap();
    eventually("it is ready again, though nobody publishes", async || rig.queue.trouble().is_none().then_some(()))
        .await;
    eventually("it is shown as connected again", async || connected(&rig, 1).then_some(())).await;
    drop(publisher);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_whose_file_was_deleted_accepts_nothing_says_what_to_do_and_hands_out_what_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::open(&QueueSettings::embedded(folder.path())).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..3)).await.unwrap();

    std::fs::remove_file(folder.path().join("queue.db")).unwrap();

    assert_eq!(publisher.publish_all(&envelopes(3..4)).await.map(drop), Err(PublishError::Refused));
    assert!(rig.queue.trouble().is_some_and(|trouble| trouble.contains("restart the process")));
    let mut taker = rig.taker(10);
    let held = take(&mut taker, 3).await;
    assert!(held.iter().map(|taken| &taken.envelope).eq(&envelopes(0..3)));
    held.into_iter().for_each(queue::Taken::acknowledge);
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
    assert!(!folder.path().join("queue.db").exists(), "an empty file in its place would look well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_text_is_handed_out_with_a_fault_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::open(&QueueSettings::embedded(folder.path())).await;
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&envelopes(0..3)).await.unwrap();
    let disk = sqlite::open(folder.path(), "queue.db", "").unwrap();
    disk.execute_batch(
        "UPDATE envelope SET message_id = CAST(x'ff' AS TEXT) WHERE seq = 1;
         UPDATE envelope SET headers = CAST(x'7bff' AS TEXT) WHERE seq = 2;",
    )
    .unwrap();

    let mut taker = rig.taker(10);
    let taken = take(&mut taker, 3).await;

    let faults: Vec<bool> = taken.iter().map(|taken| taken.fault.is_some()).collect();
    assert_eq!(faults, [false, true, false], "an id is only a name");
    assert!(taken.iter().map(|taken| &taken.envelope.body).eq(envelopes(0..3).iter().map(|sent| &sent.body)));
    let _confirmed = publisher.publish_all(&envelopes(3..4)).await.unwrap();
    taken.into_iter().for_each(queue::Taken::acknowledge);
    taker.finish().await;
    drop(publisher);
    rig.stop().await;
}
