//! What a receiver does with requests that the contract refuses, with a full disk, and after a kill.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use testkit::eventually;

use crate::support::dsk::{DSK_TOKEN, SIGNING_SECRET};
use crate::support::receivers::{Credentials, Language, Receiver, event};

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_refuses_what_the_contract_refuses_and_stores_nothing_of_it() {
    for language in [Language::Python, Language::TypeScript] {
        let receiver = Receiver::start(language).await;
        let text = json!({ "direction": "in", "message": { "id": "a", "kind": "of_tomorrow" } });
        let body = event(1, "cnv_1", 0, text.clone());
        let right = || Credentials::RIGHT;
        let wrong_secret = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA==";

        let refused = [
            Credentials { token: "somebody else's", ..right() },
            Credentials { signing_secret: wrong_secret, ..right() },
            Credentials { seconds_off: -320, ..right() },
            Credentials { seconds_off: 320, ..right() },
        ];
        for credentials in &refused {
            assert_eq!(receiver.post(&body, credentials).await, 401, "{language:?}");
        }
        let mut too_long = body.clone();
        too_long.resize((5 << 20) + 1, b' ');
        assert_eq!(receiver.post(&too_long, &right()).await, 413, "{language:?}");
        assert_eq!(receiver.post(b"[]", &right()).await, 400, "{language:?}");
        assert_eq!(receiver.page("/conversations").await, json!([]), "{language:?}");

        let mut longest = event(2, "cnv_1", 0, text);
        longest.resize(5 << 20, b' ');
        assert_eq!(receiver.post(&longest, &right()).await, 200, "{language:?}");
        assert_eq!(
            receiver.post(&body, &Credentials { seconds_off: -280, ..Credentials::OLD }).await,
            200,
            "{language:?}"
        );
        for path in ["/conversations", "/conversations/cnv_1"] {
            assert_eq!(receiver.get(path, DSK_TOKEN).await.0, 401, "{language:?}: {path} with the wrong token");
        }
        assert_eq!(receiver.page("/conversations").await[0]["messages"], 1, "{language:?}");
        let logged = receiver.process.logged();
        assert!(!logged.contains(DSK_TOKEN) && !logged.contains(SIGNING_SECRET), "{logged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_whose_disk_is_full_answers_503_and_takes_the_event_later() {
    for language in [Language::Python, Language::TypeScript] {
        let mut receiver = Receiver::start(language).await;
        let message = |id: &str| json!({ "direction": "in", "message": { "id": id, "kind": "text", "text": "x".repeat(100_000) } });
        let before = event(1, "cnv_1", 0, message("before"));
        let during = event(2, "cnv_1", 1, message("during"));
        assert_eq!(receiver.post(&before, &Credentials::RIGHT).await, 200, "{language:?}");

        receiver.process.limit_files("150000").await;
        assert_eq!(receiver.post(&during, &Credentials::RIGHT).await, 503, "{language:?}");
        assert_eq!(receiver.page("/conversations").await[0]["messages"], 1, "{language:?}");
        receiver.process.limit_files("unlimited").await;
        assert_eq!(receiver.post(&during, &Credentials::RIGHT).await, 200, "{language:?}");

        receiver.kill_and_start_again().await;
        assert_eq!(receiver.page("/conversations").await[0]["messages"], 2, "{language:?}");
    }
}

/// More than a receiver can store before it is killed.
const EVENTS: usize = 400;
/// Requests that are under way at the same time.
const AT_ONCE: usize = 40;

fn numbered(serial: usize) -> Vec<u8> {
    let message = json!({ "id": format!("m{serial}"), "kind": "text" });
    event(serial, "cnv_1", 0, json!({ "direction": "in", "message": message }))
}

/// Posts all events, kills the receiver under way, and returns the numbers of the events that it answered with 200.
async fn answered_until_killed(receiver: &Receiver) -> BTreeSet<usize> {
    let post = async |serial| (serial, receiver.post_if_it_lives(&numbered(serial)).await);
    let mut posts = std::pin::pin!(stream::iter(0..EVENTS).map(post).buffer_unordered(AT_ONCE));
    let mut answered = BTreeSet::new();
    while let Some((serial, status)) = posts.next().await {
        answered.extend((status == Some(200)).then_some(serial));
        if answered.len() == EVENTS / 4 {
            receiver.process.signal("KILL").await;
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_killed_has_every_event_that_it_answered_with_200() {
    for language in [Language::Python, Language::TypeScript] {
        let mut receiver = Receiver::start(language).await;

        let answered = answered_until_killed(&receiver).await;
        receiver.kill_and_start_again().await;

        let count = answered.len();
        assert!((EVENTS / 4..EVENTS).contains(&count), "{language:?}: it was not killed under way, after {count}");
        let shown = async || {
            let page = receiver.page("/conversations/cnv_1").await;
            let messages = page["messages"].as_array().expect("a list");
            messages.iter().map(|message| message["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        let kept: BTreeSet<String> = shown().await.into_iter().collect();
        let lost: Vec<&usize> = answered.iter().filter(|serial| !kept.contains(&format!("m{serial}"))).collect();
        assert!(lost.is_empty(), "{language:?}: {lost:?} of {count} were answered with 200 and are lost");
        for serial in 0..EVENTS {
            assert_eq!(receiver.post(&numbered(serial), &Credentials::RIGHT).await, 200, "{language:?}");
        }
        assert_eq!(shown().await.len(), EVENTS, "{language:?}: each is there once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_one_event_that_overlap_store_it_once() {
    const REQUESTS: usize = 30;
    for language in [Language::Python, Language::TypeScript] {
        let receiver = Receiver::start(language).await;
        let body = numbered(1);

        let posts = (0..REQUESTS).map(|_| receiver.post(&body, &Credentials::RIGHT));
        let statuses = futures_util::future::join_all(posts).await;

        assert_eq!(statuses, [200; REQUESTS], "{language:?}");
        let repeats = async || {
            let logged = receiver.process.logged();
            let repeats = logged.matches("a repeat").count();
            let is_all = logged.matches("evt_0").count() == REQUESTS;
            is_all.then_some(repeats)
        };
        assert_eq!(eventually("all are logged", repeats).await, REQUESTS - 1, "{language:?}");
    }
}
