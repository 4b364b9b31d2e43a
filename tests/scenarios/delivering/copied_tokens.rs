//! Whoever can write to Redis, but has no key, reads no token: a sealed one that was copied elsewhere is sent nowhere.

use channels::NewChannel;
use chassis::{Secret, Shutdown, now};
use event::Address;
use testkit::{Redis, eventually};

use crate::support::bodies::{ADDRESS, text};
use crate::support::stack::{Stack, key_ring};
use crate::support::two_tenants::{OTHER_NUMBER, post, second_dsk};

const META_TOKEN: &str = "a-token-at-meta";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_copied_in_redis_to_an_attackers_channel_is_not_sent_to_the_attacker() {
    let stack = Stack::start().await;
    let shutdown = Shutdown::default();
    let attacker = second_dsk(&stack, &shutdown).await;
    let ring = key_ring(&[&stack.processes.key()]);
    let access_token = Some(ring.seal(&Secret::new(META_TOKEN)));
    let dsk_token = ring.seal(&Secret::new(crate::support::dsk::DSK_TOKEN));
    let victim = NewChannel { access_token, ..NewChannel::new(Address::new(ADDRESS), "tenant", dsk_token) };
    stack.store().add(&victim, now()).await.expect("the store answers");
    let redis = Redis::shared().await;
    let key = |address: &str| format!("{}channel:{address}", stack.direct.key_prefix);
    let attackers = key(&format!("whatsapp:{OTHER_NUMBER}"));

    let stolen = redis.command(&["HGET", &key(ADDRESS), "access_token"]).await;
    redis.command(&["HSET", &attackers, "dsk_token", stolen.lines().last().expect("it is stored")]).await;
    post(&stack, OTHER_NUMBER, 0..1).await;
    eventually("its copied token is refused", async || {
        stack.processes.logged().contains("it was sealed for the access_token of").then_some(())
    })
    .await;
    redis.command(&["HSET", &key(ADDRESS), "dsk_url", &attacker.url()]).await;
    stack.processes.post(text(1)).await;
    eventually("the changed URL is refused", async || {
        stack.processes.logged().contains("with another dsk_url").then_some(())
    })
    .await;

    assert_eq!(attacker.requests(), 0, "the attacker's DSK was sent a token");
    assert_eq!(stack.processes.dsk.requests(), 0);
    assert!(!stack.processes.logged().contains(META_TOKEN));
    shutdown.request();
}
