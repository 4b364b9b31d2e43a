//! Faults of the disk: an embedded queue that cannot be written refuses publishes, and loses no acknowledgement.

use queue::{PublishError, QueueSettings};

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
