//! Care for tokens and subscriptions at Meta, over months of a clock that the test turns.

use std::time::Duration;

use channels::{ChannelState, ChannelStore, NewChannel};
use chassis::{Secret, now};
use clap::Parser;
use connect::{Care, Finding, MetaSettings, Metrics};
use event::Address;
use jiff::{SignedDuration, Timestamp};
use ops::graph::{ACCOUNT, Fault, INSTAGRAM_USER, NUMBER};
use prometheus::Registry;

use crate::support::connect_stack::Desk;
use crate::support::stack::DSK_TOKEN;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// What Meta says an Instagram token lives, in seconds: a little less than 60 days.
const LIFE: SignedDuration = SignedDuration::from_secs(5_183_944);

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    meta: MetaSettings,
}

/// One more process that looks after channels.
fn care(desk: &Desk) -> Care {
    let named = |name: &str| format!("--{}", name.to_lowercase().replace('_', "-"));
    let arguments = desk.graph.settings().into_iter().flat_map(|(name, value)| [named(name), value]);
    let Settings { meta } = Settings::parse_from(std::iter::once("care".to_owned()).chain(arguments));
    let metrics = Metrics::register(&Registry::new()).expect("metrics register once");
    Care::new(&meta, (desk.store.clone(), desk.ring.clone()), metrics).expect("the settings are right")
}

async fn round(care: &Care, now: Timestamp) -> bool {
    care.round(&|| now, &|| false, 0.0).await.expect("the store answers").is_some()
}

async fn connect_instagram(desk: &Desk, id: usize, now: Timestamp) -> Address {
    let address = Address::new(format!("instagram:1784140000000{id:04}"));
    let seal = |text: &str| desk.ring.seal(&Secret::new(text));
    let channel = NewChannel {
        access_token: Some(seal(&format!("long-token-of-{id}"))),
        access_token_expires_at: now.checked_add(LIFE).ok(),
        ..NewChannel::new(address.clone(), "acme", seal(DSK_TOKEN))
    };
    desk.store.add(&channel, now).await.expect("the store answers");
    address
}

async fn state(store: &ChannelStore, address: &Address) -> ChannelState {
    store.get(address).await.expect("the store answers").expect("it is stored").state
}

#[tokio::test(flavor = "multi_thread")]
async fn over_sixty_days_two_workers_that_die_and_fail_refresh_each_token_once_and_in_time() {
    let desk = Desk::start().await;
    let begin = now();
    let mut addresses = Vec::new();
    for id in 0..8 {
        addresses.push(connect_instagram(&desk, id, begin).await);
    }
    let (mut one, mut other) = (care(&desk), care(&desk));

    for hour in 0..60 * 24 {
        let now = begin.checked_add(HOUR * hour).expect("a time");
        match hour % 97 {
            // A worker dies with the lease in its hand, and is started anew.
            13 => {
                round(&one, now).await;
                one = care(&desk);
            }
            14 => other = care(&desk),
            // Meta fails for some hours.
            30 => desk.graph.fault("refresh", Some(Fault::Trouble)),
            38 => desk.graph.fault("refresh", None),
            _ => {}
        }
        let (first, second) = tokio::join!(round(&one, now), round(&other, now));
        assert!(!(first && second), "both had the lease in hour {hour}");
        for address in &addresses {
            let record = desk.store.get(address).await.unwrap().unwrap();
            let until: Timestamp = record.access_token_expires_at.unwrap().parse().unwrap();
            assert!(until > now && record.state == ChannelState::Connected, "{address} ended in hour {hour}");
        }
    }

    let mut refreshed = desk.graph.refreshed();
    refreshed.sort();
    let expected: Vec<String> = (0..8).map(|id| format!("long-token-of-{id}")).collect();
    assert_eq!(refreshed, expected, "each token was refreshed once");
    desk.is_content();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_no_longer_works_needs_a_reconnect_and_a_new_one_heals_it() {
    let desk = Desk::start().await;
    let mut browser = desk.begin("acme").await;
    desk.sign_up(&mut browser).await;
    let (address, care) = (Address::new(format!("whatsapp:{NUMBER}")), care(&desk));
    let day = |days: i64| now().checked_add(DAY * i32::try_from(days).unwrap()).unwrap();

    desk.graph.behave(|graph| graph.is_token_valid = false);
    round(&care, day(2)).await;
    let dead = state(&desk.store, &address).await;
    let shown = browser.get("/channels").await;
    desk.graph.behave(|graph| graph.is_token_valid = true);
    desk.sign_up(&mut browser).await;
    let healed = state(&desk.store, &address).await;

    assert_eq!((dead, healed), (ChannelState::ReconnectNeeded, ChannelState::Connected));
    assert!(shown.body.contains("Access ended"), "{shown:?}");
    desk.is_content();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instagram_token_that_was_not_refreshed_in_time_needs_a_reconnect() {
    let desk = Desk::start().await;
    let begin = now();
    let (address, care) = (connect_instagram(&desk, 1, begin).await, care(&desk));

    round(&care, begin.checked_add(DAY * 61).unwrap()).await;

    assert_eq!(state(&desk.store, &address).await, ChannelState::ReconnectNeeded);
    assert_eq!(desk.graph.refreshed(), Vec::<String>::new(), "Meta was asked for a token that has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_meta_has_ended_is_made_again_within_a_day_and_a_failure_is_tried_again_soon() {
    let desk = Desk::start().await;
    let mut browser = desk.begin("acme").await;
    desk.sign_up(&mut browser).await;
    let login = browser.press("/channels", "/instagram", &[]).await;
    browser.follow(&login, "allow").await;
    let (care, begin) = (care(&desk), now());
    let at = |minutes: i64| begin.checked_add(DAY).unwrap().checked_add(SignedDuration::from_mins(minutes)).unwrap();
    desk.graph.end_subscriptions();

    desk.graph.fault("subscribe", Some(Fault::Trouble));
    round(&care, at(1)).await;
    assert_eq!(desk.graph.subscribed().len(), 0);
    desk.graph.fault("subscribe", None);
    round(&care, at(20)).await;

    let subscribed: Vec<String> = desk.graph.subscribed().into_iter().collect();
    assert_eq!(subscribed, [INSTAGRAM_USER, ACCOUNT]);
    let steps = desk.graph.steps().len();
    round(&care, at(40)).await;
    assert_eq!(desk.graph.steps().len(), steps, "what was looked after is left alone for a day");
    desk.is_content();
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_fail_every_time_keep_no_other_from_care() {
    let desk = Desk::start().await;
    let begin = now();
    for id in 0..20 {
        connect_instagram(&desk, id, begin).await;
    }
    let now = begin.checked_add(DAY * 2).unwrap();
    let (care, last) = (care(&desk), Address::new("instagram:17841400000000019"));
    // Their subscription can't be read, whatever else works.
    desk.graph.behave(|graph| graph.unreadable = (0..19).map(|id| format!("1784140000000{id:04}")).collect());

    care.round(&|| now, &|| false, 0.0).await.unwrap();
    let from_the_front = desk.store.get(&last).await.unwrap().unwrap().checked_at;
    care.round(&|| now, &|| false, 0.96).await.unwrap();
    let from_its_place = desk.store.get(&last).await.unwrap().unwrap().checked_at;

    assert!(from_the_front.is_none() && from_its_place.is_some(), "{from_the_front:?} {from_its_place:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_looks_and_repairs_by_command() {
    let desk = Desk::start().await;
    let mut browser = desk.begin("acme").await;
    desk.sign_up(&mut browser).await;
    desk.graph.end_subscriptions();

    let (looked, said) = desk.ops(&["channels", "check"]).await;
    assert!(!looked && said.contains("NOT SUBSCRIBED") && said.contains("--repair"), "{said}");
    assert_eq!(desk.graph.subscribed().len(), 0, "looking changes nothing");
    let (repaired, said) = desk.ops(&["channels", "check", "--repair"]).await;
    assert!(repaired && said.contains("subscribed again"), "{said}");
    let (well, said) = desk.ops(&["channels", "check"]).await;

    assert!(well && said.contains("1 channel: 1 healthy"), "{said}");
    assert!(desk.graph.subscribed().contains(ACCOUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_at_meta_or_a_wrong_app_secret_makes_no_channel_need_a_reconnect() {
    let desk = Desk::start().await;
    let mut browser = desk.begin("acme").await;
    desk.sign_up(&mut browser).await;
    let (address, care) = (Address::new(format!("whatsapp:{NUMBER}")), care(&desk));

    for fault in [Fault::Trouble, Fault::Throttled, Fault::Token, Fault::Slow(Duration::from_secs(11))] {
        desk.graph.fault("debug", Some(fault));
        let record = desk.store.get(&address).await.unwrap().unwrap();
        assert_eq!(care.check(&record, true, now()).await, Finding::Unknown, "{fault:?}");
    }

    assert_eq!(state(&desk.store, &address).await, ChannelState::Connected);
}
