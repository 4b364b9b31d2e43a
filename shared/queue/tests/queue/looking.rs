//! Whoever looks for an envelope takes none.

use event::{Class, EventId};
use queue::{QueueName, QueueSettings, Tier, Whereabouts};

use crate::rig::{Rig, envelopes, take};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_read_the_files_sees_where_an_envelope_is_without_taking_it() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::open(&QueueSettings::embedded(folder.path())).await;
    let sent = envelopes(0..3);
    let publisher = rig.queue.publisher();
    let _confirmed = publisher.publish_all(&sent[..2]).await.unwrap();
    let retry = QueueName::Retry(Class::Messages, Tier::OneMinute);
    let _confirmed = publisher.publish(retry, &sent[2]).await.unwrap();
    drop(publisher);
    let mut taker = rig.taker(1);
    let taken = take(&mut taker, 1).await;

    let ids = sent.iter().map(|envelope| envelope.id.clone()).chain([EventId::new("evt_unknown")]).collect();
    let seen = rig.queue.whereabouts(ids).await.unwrap().unwrap();

    let home = QueueName::Class(Class::Messages);
    let at = |serial: usize, queue, is_in_flight| Whereabouts { id: sent[serial].id.clone(), queue, is_in_flight };
    assert_eq!(seen, [at(0, home, true), at(1, home, false), at(2, retry, false)]);
    drop(taken);
    taker.finish().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_look_into_the_queues_of_rabbitmq() {
    let vhost = testkit::RabbitMq::shared().await.vhost();
    let rig = Rig::open(&QueueSettings::at(vhost.url())).await;

    assert_eq!(rig.queue.whereabouts(vec![EventId::new("evt_1")]).await.unwrap(), None);
    rig.stop().await;
}
