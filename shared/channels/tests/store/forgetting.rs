//! What was erased is soon in no file of Redis.

use channels::ChannelsSettings;
use chassis::{Shutdown, now};
use event::Address;
use testkit::{PASSWORD, Redis, eventually};

use crate::support::{NUMBER, add, open};

/// Connect's user erases, and the dispatcher's has the file rewritten.
#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_redis_holds_the_token_of_a_removed_channel() {
    let redis = Redis::start_with_shipped_users().await;
    let connect = open(&ChannelsSettings::at(redis.url_for("connect"), ""));
    let dispatcher = open(&ChannelsSettings::at(redis.url_for("dispatcher"), ""));
    add(&connect, NUMBER).await;
    let key = format!("channel:{NUMBER}");
    let answer = redis.command_as("admin", PASSWORD, &["HGET", &key, "dsk_token"]).await;
    let sealed = answer.split("\r\n").nth(1).unwrap();
    connect.remove(&Address::new(NUMBER), now()).await.unwrap();
    assert!(sealed.len() > 50 && redis.is_on_disk(sealed), "Redis by itself keeps {sealed}");

    let shutdown = Shutdown::default();
    shutdown.spawn(dispatcher.forget_what_was_erased("one".to_owned(), shutdown.clone()));

    eventually("no file holds the token", async || (!redis.is_on_disk(sealed)).then_some(())).await;
    // What is known about the removed channel is still there after a restart.
    redis.restart().await;
    let record = eventually("Redis is back", async || connect.get(&Address::new(NUMBER)).await.ok()).await;
    assert!(record.is_some_and(|record| record.dsk_token.is_none()));
}
