//! How the store behaves while Redis is lost or silent.

use std::time::{Duration, Instant};

use channels::{ChannelsSettings, StoreError};
use event::EventId;
use testkit::{Link, Redis, eventually};

use crate::support::{NUMBER, add, mark_delivered, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_redis_is_named_as_an_error_until_it_is_back() {
    let redis = Redis::shared().await;
    let link = Link::to(redis.address()).await;
    let store = open(&ChannelsSettings::at(redis.url_through(&link), &redis.prefix()));
    add(&store, NUMBER).await;

    link.cut();
    eventually("the loss is noticed", async || (!store.is_connected()).then_some(())).await;
    assert_eq!(mark_delivered(&store, &[EventId::new("evt_1")]).await, Err(StoreError::Away));

    link.mend();
    eventually("it is back", async || mark_delivered(&store, &[EventId::new("evt_1")]).await.ok()).await;
    assert!(store.is_connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_a_silent_redis_times_out() {
    let redis = Redis::shared().await;
    let link = Link::to(redis.address()).await;
    let store = open(&ChannelsSettings::at(redis.url_through(&link), &redis.prefix()));
    add(&store, NUMBER).await;

    link.stall();
    let started = Instant::now();
    let answer = mark_delivered(&store, &[EventId::new("evt_1")]).await;

    assert!(matches!(answer, Err(StoreError::TimedOut | StoreError::Away)), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}
