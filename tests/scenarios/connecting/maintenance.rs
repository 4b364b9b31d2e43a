//! Maintenance of tokens and subscriptions at Meta, over months of a clock that the test turns.

use std::time::Duration;

use channels::{ChannelState, ChannelStore, NewChannel};
use chassis::{Secret, now};
use clap::Parser;
use connect::{ChannelHealth, CheckMode, Maintenance, MetaSettings, Metrics};
use event::Address;
use jiff::{SignedDuration, Timestamp};
use ops::graph::{ACCOUNT, Fault, INSTAGRAM_USER, NUMBER};
use prometheus::Registry;

use crate::support::connect_stack::ConnectStack;
use crate::support::dsk::DSK_TOKEN;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long an Instagram token works, as Meta says: a little less than 60 days.
const LIFE: SignedDuration = SignedDuration::from_secs(5_183_944);

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    meta: MetaSettings,
}

/// One more process that maintains channels.
fn maintenance(connect: &ConnectStack) -> Maintenance {
    let named = |name: &str| format!("--{}", name.to_lowercase().replace('_', "-"));
    let arguments = connect.graph.settings().into_iter().flat_map(|(name, value)| [named(name), value]);
    let Settings { meta } = Settings::parse_from(std::iter::once("maintenance".to_owned()).chain(arguments));
    let metrics = Metrics::register(&Registry::new()).expect("metrics register once");
    Maintenance::new(&meta, connect.store.clone(), connect.ring.clone(), metrics).expect("the settings are right")
}

async fn round(maintenance: &Maintenance, now: Timestamp) -> bool {
    maintenance.round(&|| now, &|| false, 0.0).await.expect("the store answers").is_some()
}

async fn connect_instagram(connect: &ConnectStack, id: usize, now: Timestamp) -> Address {
    let address = Address::new(format!("instagram:1784140000000{id:04}"));
    let seal = |text: &str| connect.ring.seal(&Secret::new(text));
    let channel = NewChannel {
        access_token: Some(seal(&format!("long-token-of-{id}"))),
        access_token_expires_at: now.checked_add(LIFE).ok(),
        ..NewChannel::new(address.clone(), "acme", seal(DSK_TOKEN))
    };
    connect.store.add(&channel, now).await.expect("the store answers");
    address
}

async fn state(store: &ChannelStore, address: &Address) -> ChannelState {
    store.get(address).await.expect("the store answers").expect("it is stored").state
}

#[tokio::test(flavor = "multi_thread")]
async fn over_sixty_days_two_processes_that_die_and_fail_refresh_each_token_once_and_in_time() {
    let connect = ConnectStack::start().await;
    let begin = now();
    let mut addresses = Vec::new();
    for id in 0..8 {
        addresses.push(connect_instagram(&connect, id, begin).await);
    }
    let mut one = maintenance(&connect);
    let mut other = maintenance(&connect);

    for hour in 0..60 * 24 {
        let now = begin.checked_add(HOUR * hour).expect("a time");
        match hour % 97 {
            // A process dies while it holds the lease, and is started again.
            13 => {
                round(&one, now).await;
                one = maintenance(&connect);
            }
            14 => other = maintenance(&connect),
            // Meta fails for some hours.
            30 => connect.graph.fault("refresh", Some(Fault::Trouble)),
            38 => connect.graph.fault("refresh", None),
            _ => {}
        }
        let (first, second) = tokio::join!(round(&one, now), round(&other, now));
        assert!(!(first && second), "both held the lease in hour {hour}");
        for address in &addresses {
            let record = connect.store.get(address).await.unwrap().unwrap();
            let until: Timestamp = record.access_token_expires_at.unwrap().parse().unwrap();
            assert!(until > now && record.state == ChannelState::Connected, "{address} ended in hour {hour}");
        }
    }

    let mut refreshed = connect.graph.refreshed();
    refreshed.sort();
    let expected: Vec<String> = (0..8).map(|id| format!("long-token-of-{id}")).collect();
    assert_eq!(refreshed, expected, "each token was refreshed once");
    connect.meta_has_no_complaints();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_no_longer_works_needs_a_reconnect_and_a_new_one_heals_it() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let address = Address::new(format!("whatsapp:{NUMBER}"));
    let maintenance = maintenance(&connect);
    let day = |days: i64| now().checked_add(DAY * i32::try_from(days).unwrap()).unwrap();

    connect.graph.behave(|graph| graph.is_token_valid = false);
    round(&maintenance, day(2)).await;
    let dead = state(&connect.store, &address).await;
    let shown = browser.get("/channels").await;
    connect.graph.behave(|graph| graph.is_token_valid = true);
    connect.sign_up(&mut browser).await;
    let healed = state(&connect.store, &address).await;

    assert_eq!((dead, healed), (ChannelState::ReconnectNeeded, ChannelState::Connected));
    assert!(shown.body.contains("Access ended"), "{shown:?}");
    connect.meta_has_no_complaints();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_token_was_not_refreshed_in_time_needs_a_reconnect() {
    let connect = ConnectStack::start().await;
    let begin = now();
    let address = connect_instagram(&connect, 1, begin).await;
    let maintenance = maintenance(&connect);

    round(&maintenance, begin.checked_add(DAY * 61).unwrap()).await;

    assert_eq!(state(&connect.store, &address).await, ChannelState::ReconnectNeeded);
    assert_eq!(connect.graph.refreshed(), Vec::<String>::new(), "Meta was asked for a token that has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_meta_ended_is_made_again_within_a_day_and_a_failure_is_retried_soon() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let login = browser.press("/channels", "/instagram", &[]).await;
    browser.follow(&login, "allow").await;
    let maintenance = maintenance(&connect);
    let begin = now();
    let at = |minutes: i64| begin.checked_add(DAY).unwrap().checked_add(SignedDuration::from_mins(minutes)).unwrap();
    connect.graph.end_subscriptions();

    connect.graph.fault("subscribe", Some(Fault::Trouble));
    round(&maintenance, at(1)).await;
    assert_eq!(connect.graph.subscribed().len(), 0);
    connect.graph.fault("subscribe", None);
    round(&maintenance, at(20)).await;

    let subscribed: Vec<String> = connect.graph.subscribed().into_iter().collect();
    assert_eq!(subscribed, [INSTAGRAM_USER, ACCOUNT]);
    let steps = connect.graph.steps().len();
    round(&maintenance, at(40)).await;
    assert_eq!(connect.graph.steps().len(), steps, "what was looked after is left alone for a day");
    connect.meta_has_no_complaints();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_disconnected_during_its_check_is_not_subscribed_again() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let address = Address::new(format!("whatsapp:{NUMBER}"));
    let read_before = connect.store.get(&address).await.unwrap().unwrap();

    connect.graph.end_subscriptions();
    connect.store.remove(&address, now()).await.unwrap();
    let health = maintenance(&connect).check(&read_before, CheckMode::Repair, now()).await;

    assert_eq!((health, connect.graph.subscribed().len()), (ChannelHealth::NotChecked, 0));
    assert_eq!(state(&connect.store, &address).await, ChannelState::Disconnected);
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_fail_every_time_keep_no_other_from_maintenance() {
    let connect = ConnectStack::start().await;
    let begin = now();
    for id in 0..20 {
        connect_instagram(&connect, id, begin).await;
    }
    let now = begin.checked_add(DAY * 2).unwrap();
    let maintenance = maintenance(&connect);
    let last = Address::new("instagram:17841400000000019");
    // Their subscription can't be read, whatever else works.
    connect.graph.behave(|graph| graph.unreadable = (0..19).map(|id| format!("1784140000000{id:04}")).collect());

    maintenance.round(&|| now, &|| false, 0.0).await.unwrap();
    let from_the_front = connect.store.get(&last).await.unwrap().unwrap().checked_at;
    maintenance.round(&|| now, &|| false, 0.96).await.unwrap();
    let from_its_place = connect.store.get(&last).await.unwrap().unwrap().checked_at;

    assert!(from_the_front.is_none() && from_its_place.is_some(), "{from_the_front:?} {from_its_place:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_checks_and_repairs_channels_by_command() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    connect.graph.end_subscriptions();

    let (is_healthy, output) = connect.ops(&["channels", "check"]).await;
    assert!(!is_healthy && output.contains("NOT SUBSCRIBED") && output.contains("--repair"), "{output}");
    assert_eq!(connect.graph.subscribed().len(), 0, "a check changes nothing");
    let (is_repaired, output) = connect.ops(&["channels", "check", "--repair"]).await;
    assert!(is_repaired && output.contains("subscribed again"), "{output}");
    let (is_healthy, output) = connect.ops(&["channels", "check"]).await;

    assert!(is_healthy && output.contains("1 channel: 1 healthy"), "{output}");
    assert!(connect.graph.subscribed().contains(ACCOUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_at_meta_or_a_wrong_app_secret_makes_no_channel_need_a_reconnect() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let address = Address::new(format!("whatsapp:{NUMBER}"));
    let maintenance = maintenance(&connect);

    for fault in [Fault::Trouble, Fault::Throttled, Fault::Token, Fault::Slow(Duration::from_secs(11))] {
        connect.graph.fault("debug", Some(fault));
        let record = connect.store.get(&address).await.unwrap().unwrap();
        assert_eq!(maintenance.check(&record, CheckMode::Repair, now()).await, ChannelHealth::Unknown, "{fault:?}");
    }

    assert_eq!(state(&connect.store, &address).await, ChannelState::Connected);
}
