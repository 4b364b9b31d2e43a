//! DSK asks who wrote to an Instagram account or a Page; connect asks Meta with the channel's token, and stores nothing.

use std::time::Duration;

use channels::{ChannelState, NewChannel};
use chassis::{Secret, now};
use event::Address;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use ops::graph::{Fault, NUMBER, ProfileAnswer, UsageHeader};
use serde_json::{Value, json};
use testkit::eventually;

use super::data_rights::everything;
use super::media::{ask, fetch, word};
use crate::support::connect_stack::ConnectStack;
use crate::support::dsk::DSK_TOKEN;

const INSTAGRAM: &str = "instagram:17841400000000001234";
const PAGE: &str = "messenger:110000000000042";
/// A person as each of the two channels names them.
const CONTACT: &str = "5550000000000017";
const NAME: &str = "Ada Lovelace";

/// Starts connect with an Instagram account and a Page, to both of which the person has written.
async fn with_channels() -> ConnectStack {
    let connect = ConnectStack::start().await;
    for (address, token) in [(INSTAGRAM, "long-token"), (PAGE, "page-token")] {
        add(&connect, address, token).await;
    }
    let picture = "https://scontent.cdninstagram.com/v/17.jpg?oh=1&oe=2";
    knows(
        &connect,
        ProfileAnswer::Known(json!({ "name": NAME, "username": "ada.l", "profile_pic": picture, "id": CONTACT })),
    );
    connect
}

async fn add(connect: &ConnectStack, address: &str, token: &str) {
    let seal = |text: &str| connect.ring.seal(&Secret::new(text));
    let access_token = Some(seal(token));
    let channel = NewChannel { access_token, ..NewChannel::new(Address::new(address), "acme", seal(DSK_TOKEN)) };
    connect.store.add(&channel, now()).await.expect("the store answers");
}

/// Lets Meta answer like this about the person.
fn knows(connect: &ConnectStack, answer: ProfileAnswer) {
    connect.graph.behave(|graph| drop(graph.profiles.insert(CONTACT.to_owned(), answer)));
}

fn path(address: &str, contact: &str) -> String {
    format!("/profile/{}/{contact}", address.replace(':', "/"))
}

/// How often Meta was asked for a profile.
fn asked(connect: &ConnectStack) -> usize {
    connect.graph.steps().iter().filter(|step| **step == "profile").count()
}

/// Asks for the person with the channel's token.
async fn profile(connect: &ConnectStack, address: &str) -> Response<Incoming> {
    fetch(connect, &path(address, CONTACT), &[]).await
}

async fn json_of(answer: Response<Incoming>) -> Value {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    serde_json::from_slice(&answer.into_body().collect().await.expect("it ends").to_bytes()).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn dsk_gets_a_persons_name_and_picture_with_its_own_token_and_nothing_of_it_is_logged_or_stored() {
    let connect = with_channels().await;

    let on_instagram = json_of(profile(&connect, INSTAGRAM).await).await;
    knows(&connect, ProfileAnswer::Known(json!({ "first_name": "Ada", "last_name": "Lovelace", "profile_pic": null })));
    let on_messenger = json_of(profile(&connect, PAGE).await).await;

    let picture = "https://scontent.cdninstagram.com/v/17.jpg?oh=1&oe=2";
    assert_eq!(on_instagram, json!({ "name": NAME, "username": "ada.l", "picture": picture }));
    assert_eq!(on_messenger, json!({ "name": NAME }));
    assert_eq!(json_of(profile(&connect, INSTAGRAM).await).await, on_instagram);
    assert_eq!(asked(&connect), 2, "what Meta said a moment ago is asked for again");
    assert_eq!(connect.metric("connect_profiles_total{outcome=\"served\"}").await, 3);
    connect.meta_has_no_complaints();
    let logged = connect.logged_with("Passing on a profile", 3).await;
    let stored = everything(&connect.key_prefix()).await;
    for private in [NAME, "Lovelace", "ada.l", CONTACT, "cdninstagram", "long-token", "page-token", DSK_TOKEN] {
        assert!(!logged.contains(private), "{private} is logged: {logged}");
        assert!(!stored.contains(private), "{private} is stored: {stored}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_answers_nobody_whom_the_channel_does_not_authorise_now() {
    let connect = with_channels().await;
    json_of(profile(&connect, INSTAGRAM).await).await;
    let path = path(INSTAGRAM, CONTACT);

    let mut words = Vec::new();
    words.push(word(ask(&connect, &path, &[]).await).await);
    words.push(word(ask(&connect, &path, &[("authorization", "Bearer stolen")]).await).await);
    words.push(word(fetch(&connect, &path.replace("instagram", "elsewhere"), &[]).await).await);
    let address = Address::new(INSTAGRAM);
    connect.store.remove(&address, now()).await.expect("the store answers");
    words.push(word(profile(&connect, INSTAGRAM).await).await);
    assert!(words.iter().all(|word| *word == (401, "unauthorized".to_owned())), "{words:?}");
    assert_eq!(connect.metric("connect_refused_total{reason=\"profile\"}").await, 4);
    assert_eq!(asked(&connect), 1, "Meta was asked for a stranger");

    json_of(profile(&connect, PAGE).await).await;
    assert_eq!(asked(&connect), 2, "one channel was answered from another's");
    add(&connect, INSTAGRAM, "long-token-of-another-owner").await;
    json_of(profile(&connect, INSTAGRAM).await).await;
    assert_eq!(asked(&connect), 3, "what an earlier connection brought outlives it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_profile_names_the_reason_in_one_word() {
    let connect = with_channels().await;
    let refused = |code, subcode| ProfileAnswer::Refused { status: StatusCode::BAD_REQUEST, code, subcode };
    let answers = [
        (ProfileAnswer::Refused { status: StatusCode::FORBIDDEN, code: 230, subcode: 0 }, (404, "no_consent")),
        (refused(100, 2_018_218), (404, "no_profile")),
        (ProfileAnswer::Known(json!({ "id": CONTACT })), (404, "no_profile")),
        (refused(100, 33), (404, "unknown")),
        (refused(9_010, 0), (404, "unknown")),
        (refused(100, 2_018_247), (424, "permission_missing")),
        (ProfileAnswer::Known(json!({ "name": ["Ada"] })), (502, "unusable")),
    ];
    for (answer, (status, expected)) in answers {
        knows(&connect, answer.clone());
        assert_eq!(word(profile(&connect, INSTAGRAM).await).await, (status, expected.to_owned()), "{answer:?}");
    }
    let steps = asked(&connect);
    for odd in ["me", "17_18", "%2E%2E%2Fme", &"9".repeat(65)] {
        let answer = fetch(&connect, &path(INSTAGRAM, odd), &[]).await;
        assert_eq!(word(answer).await, (404, "unknown".to_owned()), "{odd}");
    }
    assert_eq!(asked(&connect), steps, "Meta was asked for something that is no person");
    for (fault, (status, expected)) in [
        (Fault::Trouble, (502, "unavailable")),
        (Fault::Permission, (424, "permission_missing")),
        (Fault::Token, (424, "reconnect_needed")),
    ] {
        connect.graph.fault("profile", Some(fault));
        assert_eq!(word(profile(&connect, INSTAGRAM).await).await, (status, expected.to_owned()), "{fault:?}");
    }
    let record = connect.store.get(&Address::new(INSTAGRAM)).await.expect("the store answers").expect("it is stored");
    assert_eq!(record.state, ChannelState::ReconnectNeeded, "Meta refused the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn for_whatsapp_the_answer_says_that_the_name_is_in_the_event() {
    let connect = with_channels().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;

    let answer = fetch(&connect, &format!("/profile/whatsapp/{NUMBER}/+4930123456"), &[]).await;

    assert_eq!(word(answer).await, (404, "other_platform".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_meta_throttles_asks_no_more_until_the_pause_is_over_and_others_go_on() {
    let connect = with_channels().await;
    let usage = |minutes: &str| {
        let business = json!({ "17841400000000001234": [{ "type": "instagram", "call_count": 100, "total_cputime": 1,
            "total_time": 1, "estimated_time_to_regain_access": minutes.parse::<f64>().expect("a number") }] });
        vec![UsageHeader { name: "x-business-use-case-usage", value: business.to_string() }]
    };
    connect.graph.fault("profile", Some(Fault::Throttled));
    connect.graph.behave(|graph| graph.usage = usage("19"));

    for _ in 0..3 {
        let answer = profile(&connect, INSTAGRAM).await;
        let pause: u64 = answer.headers()["retry-after"].to_str().expect("letters").parse().expect("seconds");
        assert!((1_000..=1_140).contains(&pause), "{pause} s");
        assert_eq!(word(answer).await, (503, "throttled".to_owned()));
    }
    assert_eq!(asked(&connect), 1, "Meta was asked during its pause");

    connect.graph.fault("profile", None);
    connect.graph.behave(|graph| graph.usage = usage("0.05"));
    json_of(profile(&connect, PAGE).await).await;
    let other = fetch(&connect, &path(PAGE, "5550000000000018"), &[]).await;
    assert_eq!(word(other).await, (503, "throttled".to_owned()), "an answer said that the limit is used up");
    assert_eq!(asked(&connect), 2);
    eventually("the pause is over", async || {
        let other = fetch(&connect, &path(PAGE, "5550000000000018"), &[]).await;
        (word(other).await == (404, "unknown".to_owned())).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_profiles_of_one_tenant_leave_places_for_others() {
    let connect = with_channels().await;
    connect.set(PAGE, "tenant", "another").await;
    connect.graph.fault("profile", Some(Fault::Slow(Duration::from_secs(3))));
    let asks = (0..24).map(|contact| {
        let path = path(INSTAGRAM, &format!("55500000000001{contact:02}"));
        let connect = &connect;
        async move { fetch(connect, &path, &[]).await }
    });

    let (own, others) = tokio::join!(futures_util::future::join_all(asks), async {
        eventually("Meta is asked", async || (asked(&connect) >= 16).then_some(())).await;
        profile(&connect, PAGE).await.status().as_u16()
    });

    let refused = own.iter().filter(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.clone().count(), 8, "{own:?}");
    assert!(refused.clone().all(|answer| answer.headers()["retry-after"] == "5"), "{own:?}");
    assert_eq!(others, 200);
}
