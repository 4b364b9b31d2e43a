//! A sealed secret opens only where it was sealed: whoever can write to the store can copy it, but not read it.

use std::time::Duration;

use channels::{ChannelsSettings, KeyRing, LookupAnswer, NewChannel, OpenError, Ticket, new_key};
use chassis::{Secret, now};
use event::Address;
use sha2::{Digest as _, Sha256};
use testkit::Redis;

use crate::support::{NUMBER, channel, look_up, open, ring, ring_of};

const OTHER: &str = "whatsapp:100000000000002";
const URL: &str = "https://dsk.example/events";

/// A store in a Redis that the test writes to behind its back, as an attacker would.
struct Attacked {
    redis: &'static Redis,
    prefix: String,
    store: channels::ChannelStore,
}

impl Attacked {
    async fn start() -> Self {
        let redis = Redis::shared().await;
        let prefix = redis.prefix();
        let store = open(&ChannelsSettings::at(redis.url(), &prefix));
        Self { redis, prefix, store }
    }

    async fn read(&self, address: &str, field: &str) -> String {
        let saved = self.store.export().await.unwrap();
        let record = saved.into_iter().find(|record| record.address == address).unwrap();
        record.fields.get(field).cloned().unwrap()
    }

    async fn write(&self, address: &str, field: &str, value: &str) {
        self.redis.command(&["HSET", &format!("{}channel:{address}", self.prefix), field, value]).await;
    }

    /// What the dispatcher would send to the channel's endpoint.
    async fn dsk_token(&self, address: &str, ring: &KeyRing) -> Result<String, String> {
        let LookupAnswer::Channel(route) = look_up(&self.store, "evt_1", address).await else { panic!("it is stored") };
        let opened = ring.open(&route.dsk_token).map_err(|error| error.to_string())?;
        Ok(opened.expose().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_copied_to_another_place_in_redis_does_not_open() {
    let attacked = Attacked::start().await;
    let ring = ring();
    let victim = NewChannel { access_token: Some(ring.seal(&Secret::new("meta-token"))), ..channel(NUMBER, &ring) };
    for channel in [&victim, &channel(OTHER, &ring)] {
        attacked.store.add(channel, now()).await.unwrap();
    }
    let own = attacked.read(OTHER, "dsk_token").await;

    for (field, place) in [("access_token", "the access_token of"), ("dsk_token", "the dsk_token of")] {
        attacked.write(OTHER, "dsk_token", &attacked.read(NUMBER, field).await).await;

        let refused = attacked.dsk_token(OTHER, &ring).await.unwrap_err();
        assert!(refused.contains(place) && refused.contains(NUMBER), "{refused}");
    }
    attacked.write(NUMBER, "dsk_url", "https://evil.example/").await;
    let refused = attacked.dsk_token(NUMBER, &ring).await.unwrap_err();
    assert!(refused.contains("another dsk_url") && !refused.contains("evil"), "{refused}");
    attacked.write(OTHER, "dsk_token", &own).await;
    assert_eq!(attacked.dsk_token(OTHER, &ring).await.as_deref(), Ok("dsk-token"));

    attacked.write(OTHER, "dsk_token", &attacked.read(NUMBER, "access_token").await).await;
    let key_use = attacked.store.reseal(&ring).await.unwrap();
    assert_eq!(key_use.resealed, 0, "what was copied is not sealed for where it was copied to");
    assert_eq!(key_use.refused.len(), 2, "{:?}", key_use.refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_release_sealed_opens_is_bound_by_a_rotation_and_is_refused_once_its_key_is_marked() {
    let attacked = Attacked::start().await;
    let marked = new_key();
    let unmarked = marked.expose().trim_start_matches("bound:").to_owned();
    let ring = ring_of(&[&unmarked]);
    let channel = NewChannel { dsk_url: Some(URL.to_owned()), ..channel(NUMBER, &ring) };
    attacked.store.add(&channel, now()).await.unwrap();
    // As an older release sealed it: the token alone.
    let old = fernet::Fernet::new(&unmarked).unwrap().encrypt(b"dsk-token");
    attacked.write(NUMBER, "dsk_token", &old).await;
    assert_eq!(attacked.store.key_use(&ring).await.unwrap().unbound, 1);
    assert_eq!(attacked.dsk_token(NUMBER, &ring).await.as_deref(), Ok("dsk-token"));

    let key_use = attacked.store.reseal(&ring).await.unwrap();

    assert_eq!((key_use.resealed, key_use.unbound, &*key_use.by_key), (1, 0, &[1][..]));
    let strict = ring_of(&[marked.expose()]);
    assert_eq!(attacked.dsk_token(NUMBER, &strict).await.as_deref(), Ok("dsk-token"));
    attacked.write(NUMBER, "dsk_token", &old).await;
    assert!(attacked.dsk_token(NUMBER, &strict).await.unwrap_err().contains("marked `bound:`"));
    let refused = attacked.store.key_use(&strict).await.unwrap().refused;
    assert_eq!(refused.iter().map(|refused| &refused.error).collect::<Vec<_>>(), [&OpenError::Unbound]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_does_not_bind_what_was_copied_before_it() {
    let attacked = Attacked::start().await;
    let unmarked = new_key().expose().trim_start_matches("bound:").to_owned();
    let old = |text: &str| fernet::Fernet::new(&unmarked).unwrap().encrypt(text.as_bytes());
    let ring = ring_of(&[&unmarked]);
    for address in [NUMBER, OTHER, "instagram:3", "instagram:4"] {
        attacked.store.add(&channel(address, &ring), now()).await.unwrap();
    }
    // One ticket connected two channels, whose records share its seal; the token of another was copied.
    let shared = old("dsk-token");
    attacked.write("instagram:3", "dsk_token", &shared).await;
    attacked.write("instagram:4", "dsk_token", &shared).await;
    let meta_token = old("meta-token");
    attacked.write(NUMBER, "access_token", &meta_token).await;
    attacked.write(OTHER, "dsk_token", &meta_token).await;

    let key_use = attacked.store.reseal(&ring).await.unwrap();

    assert_eq!((key_use.resealed, key_use.unbound), (2, 2));
    let places: Vec<&str> = key_use.refused.iter().map(|refused| refused.place.as_str()).collect();
    assert_eq!(places, [format!("the access_token of {NUMBER}"), format!("the dsk_token of {OTHER}")]);
    assert!(key_use.refused.iter().all(|refused| refused.error == OpenError::Copied));
}

pub(crate) async fn the_token_of_a_number_opens_in_its_accounts_record_too(store: channels::ChannelStore) {
    let ring = ring();
    let number = NewChannel {
        account_id: Some("28".to_owned()),
        dsk_url: Some(URL.to_owned()),
        signing_secret: Some(ring.seal(&Secret::new("whsec_c2VjcmV0"))),
        ..channel(NUMBER, &ring)
    };
    store.add(&number, now()).await.unwrap();

    for address in [NUMBER, "whatsapp-account:28"] {
        let LookupAnswer::Channel(route) = look_up(&store, "evt_1", address).await else { panic!("it is stored") };
        assert_eq!(ring.open(&route.dsk_token).unwrap().expose(), "dsk-token", "{address}");
        assert_eq!(ring.open(route.signing_secret.as_ref().unwrap()).unwrap().expose(), "whsec_c2VjcmV0");
    }
}

pub(crate) async fn a_new_url_needs_the_token_to_be_given_again(store: channels::ChannelStore) {
    let ring = ring();
    let address = Address::new(NUMBER);
    let moved = NewChannel { dsk_url: Some(URL.to_owned()), ..channel(NUMBER, &ring) };
    for channel in [&channel(NUMBER, &ring), &moved, &channel(NUMBER, &ring)] {
        store.add(channel, now()).await.unwrap();

        // What is not given again stays, and the new token is sealed for it.
        let record = store.get(&address).await.unwrap().unwrap();
        assert_eq!(ring.open(&record.dsk_token.unwrap()).unwrap().expose(), "dsk-token", "{:?}", record.dsk_url);
    }
    assert_eq!(store.get(&address).await.unwrap().unwrap().dsk_url.as_deref(), Some(URL));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_only_for_its_tenant_and_url() {
    let attacked = Attacked::start().await;
    let ring = ring();
    let life = Duration::from_mins(1);
    let ticket = Ticket {
        tenant: "acme".to_owned(),
        dsk_token: ring.seal(&Secret::new("dsk-token")),
        dsk_url: Some(URL.to_owned()),
        signing_secret: Some(ring.seal(&Secret::new("whsec_c2VjcmV0"))),
        issued_by: "test".to_owned(),
    };
    attacked.store.issue_ticket("id", &ticket, life).await.unwrap();
    attacked.store.redeem_ticket("id", "session", life).await.unwrap().unwrap();
    let key = format!("{}session:{}", attacked.prefix, hex::encode(Sha256::digest("session")));
    let opens = async || attacked.store.session("session").await.unwrap().unwrap().ticket.open(&ring).is_ok();
    assert!(opens().await);

    for (field, forged, right) in [("dsk_url", "https://evil.example/", URL), ("tenant", "other", "acme")] {
        attacked.redis.command(&["HSET", &key, field, forged]).await;
        assert!(!opens().await, "{field}");
        attacked.redis.command(&["HSET", &key, field, right]).await;
        assert!(opens().await, "{field}");
    }
}
