//! People's rights over their data: after a withdrawal, a deletion or an erasure nothing of it is left.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use channels::ChannelState;
use chassis::now;
use event::Address;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use ops::graph::{APP, APP_USER, INSTAGRAM_APP, INSTAGRAM_USER, NUMBER};
use queue::QueueName;
use sha2::Sha256;
use testkit::{Redis, eventually, eventually_within};

use crate::support::bodies::{self, ADDRESS, text};
use crate::support::browser::{Browser, Page};
use crate::support::connect_stack::ConnectStack;
use crate::support::stack::Stack;

/// Dispatchers look for erasures every 10 s, and wait until the attempts under way have ended.
const WITHIN: Duration = Duration::from_mins(2);

/// A request of Meta's about a person, as Meta signs it.
pub(crate) fn signed_request(person: &str, secret: &str) -> String {
    signed_request_at(now().as_second(), person, secret)
}

fn signed_request_at(issued_at: i64, person: &str, secret: &str) -> String {
    let payload = format!(r#"{{"algorithm":"HMAC-SHA256","issued_at":{issued_at},"user_id":"{person}"}}"#);
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    let signature = URL_SAFE_NO_PAD.encode(mac.chain_update(&payload).finalize().into_bytes());
    format!("{signature}.{payload}")
}

async fn ask(connect: &ConnectStack, path: &str, signed: &str) -> Page {
    Browser::new(&connect.address).post(path, &[("signed_request", signed)]).await
}

fn number() -> Address {
    Address::new(format!("whatsapp:{NUMBER}"))
}

/// Every key and value in the store of a test.
pub(super) async fn everything(prefix: &str) -> String {
    let redis = Redis::shared().await;
    let keys = redis.command(&["KEYS", &format!("{prefix}*")]).await;
    let mut text = keys.clone();
    for key in keys.split("\r\n").filter(|word| word.starts_with(prefix)) {
        // To the wrong one of these Redis answers with an error, which repeats nothing.
        for command in ["HGETALL", "SMEMBERS", "GET"] {
            text.push_str(&redis.command(&[command, key]).await);
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_withdraws_is_disconnected_and_a_forged_request_changes_nothing() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;

    let forged = ask(&connect, "/meta/deauthorize", &signed_request(APP_USER, "another secret")).await;
    let before = connect.store.get(&number()).await.unwrap().unwrap().state;
    let other = ask(&connect, "/meta/deauthorize", &signed_request("122100000000999", INSTAGRAM_APP.1)).await;
    let first = ask(&connect, "/meta/deauthorize", &signed_request(APP_USER, APP.1)).await;
    let again = ask(&connect, "/meta/deauthorize", &signed_request(APP_USER, APP.1)).await;

    assert_eq!((forged.status, before), (403, ChannelState::Connected));
    assert_eq!([other.status, first.status, again.status], [200, 200, 200]);
    let record = connect.store.get(&number()).await.unwrap().unwrap();
    assert_eq!((record.state, record.access_token), (ChannelState::Disconnected, None));
    assert_eq!(connect.metric("connect_refused_total{reason=\"signed_request\"}").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_of_one_app_leaves_alone_what_was_connected_with_the_other() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let state = async |address: Address| {
        let record = connect.store.get(&address).await.expect("the store answers");
        record.map(|record| record.state)
    };

    // The Instagram app knows somebody else by the same id.
    for path in ["/meta/deauthorize", "/meta/deletion"] {
        assert_eq!(ask(&connect, path, &signed_request(APP_USER, INSTAGRAM_APP.1)).await.status, 200, "{path}");
        assert_eq!(state(number()).await, Some(ChannelState::Connected), "{path}");
    }
    let (succeeded, output) = connect.add_instagram_account(APP_USER).await;
    assert!(succeeded, "{output}");
    let account = Address::new(format!("instagram:{INSTAGRAM_USER}"));
    assert_eq!(ask(&connect, "/meta/deletion", &signed_request(APP_USER, APP.1)).await.status, 200);

    assert_eq!([state(number()).await, state(account.clone()).await], [None, Some(ChannelState::Connected)]);
    ask(&connect, "/meta/deletion", &signed_request(APP_USER, INSTAGRAM_APP.1)).await;
    assert_eq!(state(account).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_withdrawal_or_deletion_does_not_end_a_newer_connection() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let connected = connect.store.get(&number()).await.unwrap().unwrap();
    let earlier = now().as_second() - 3_600;

    for path in ["/meta/deauthorize", "/meta/deletion"] {
        let late = ask(&connect, path, &signed_request_at(earlier, APP_USER, APP.1)).await;
        assert_eq!(late.status, 200, "{path}");
        let record = connect.store.get(&number()).await.unwrap();
        let record = record.unwrap_or_else(|| panic!("{path} erased a newer connection"));
        assert_eq!((record.state, record.access_token), (ChannelState::Connected, connected.access_token.clone()));
    }
    let page = browser.get(&deletion_page(&connect, &signed_request_at(earlier, APP_USER, APP.1)).await).await;
    assert!(page.body.contains("older than the connection of your channel"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_or_deletion_holds_although_metas_clock_is_some_seconds_behind() {
    for path in ["/meta/deauthorize", "/meta/deletion"] {
        let connect = ConnectStack::start().await;
        let mut browser = connect.begin("acme").await;
        connect.sign_up(&mut browser).await;
        let connected = connect.store.get(&number()).await.expect("the store answers").expect("it is connected");
        let connected_at: Timestamp = connected.connected_at.expect("it is known").parse().expect("it is a time");

        ask(&connect, path, &signed_request_at(connected_at.as_second() - 3, APP_USER, APP.1)).await;

        let record = connect.store.get(&number()).await.expect("the store answers");
        assert_ne!(record.map(|record| record.state), Some(ChannelState::Connected), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_leaves_nothing_in_redis_or_among_the_dead_letters_and_its_page_says_so() {
    let stack = Stack::start().await;
    let prefix = stack.direct.key_prefix.clone();
    let connect = ConnectStack::on(&stack.direct.channels_url, &prefix, &stack.processes.key(), &[]).await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(422));
    for (number, serial) in [(NUMBER, "mine"), (bodies::NUMBER, "others")] {
        stack.processes.post_until_accepted(bodies::from(number, "4915550000001", serial)).await;
    }
    let parked = async || (stack.depth(QueueName::Dead).await == Some(2)).then_some(());
    eventually("both are parked", parked).await;
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    // This one is still unused, and a session is still open.
    let link = connect.link("acme").await;

    let first = ask(&connect, "/meta/deletion", &signed_request(APP_USER, APP.1)).await;
    let again = ask(&connect, "/meta/deletion", &signed_request(APP_USER, APP.1)).await;
    let answer: serde_json::Value = serde_json::from_str(&first.body).unwrap();
    let code = answer["confirmation_code"].as_str().unwrap();
    let path = format!("/deletion/{code}");
    assert!(answer["url"].as_str().unwrap().ends_with(&path), "{answer}");
    assert_eq!(first.body, again.body, "the same person has the same code");
    let pending = browser.get(&path).await;
    assert!(pending.status == 200 && pending.body.contains("are being deleted"), "{pending:?}");

    eventually_within(WITHIN, "it is done", async || {
        browser.get(&path).await.body.contains("None of it can be delivered").then_some(())
    })
    .await;
    let letters = stack.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].envelope.address.as_str(), ADDRESS, "the dead letter of another channel is gone");
    let left = everything(&prefix).await;
    for trace in [NUMBER, "+49 30 000000", APP_USER, ops::graph::ACCOUNT] {
        assert!(!left.contains(trace), "{trace} is still in\n{left}");
    }
    // Dispatchers report for two minutes how DSK has answered the tenant's events.
    let is_forgotten = async || (!everything(&prefix).await.contains("acme")).then_some(());
    eventually_within(Duration::from_mins(3), "nothing names the tenant", is_forgotten).await;
    assert_eq!([browser.get("/channels").await.status, browser.get(&link).await.status], [403, 410]);
    assert_eq!(browser.get("/deletion/0123456789abcdef0123456789abcdef").await.status, 404);
    // A later event of the channel is skipped, and does not wait as one of an unknown channel would.
    stack.processes.post_until_accepted(bodies::from(NUMBER, "4915550000001", "late")).await;
    stack.processes.post_until_accepted(text(1)).await;
    stack.processes.delivered(1).await;
}

/// One dead letter of the number that is connected on the pages.
async fn park_one(stack: &Stack) {
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(422));
    stack.processes.post_until_accepted(bodies::from(NUMBER, "4915550000001", "mine")).await;
    eventually("it is parked", async || (stack.depth(QueueName::Dead).await == Some(1)).then_some(())).await;
}

/// The page of a deletion.
async fn deletion_page(connect: &ConnectStack, signed: &str) -> String {
    let answer = ask(connect, "/meta/deletion", signed).await;
    let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("it is JSON");
    format!("/deletion/{}", answer["confirmation_code"].as_str().expect("there is a code"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_after_a_withdrawal_or_a_disconnection_removes_the_dead_letters() {
    for is_withdrawn in [true, false] {
        let stack = Stack::start().await;
        let prefix = stack.direct.key_prefix.clone();
        let connect = ConnectStack::on(&stack.direct.channels_url, &prefix, &stack.processes.key(), &[]).await;
        let mut browser = connect.begin("acme").await;
        connect.sign_up(&mut browser).await;
        park_one(&stack).await;

        if is_withdrawn {
            ask(&connect, "/meta/deauthorize", &signed_request(APP_USER, APP.1)).await;
        } else {
            let asks = format!("/channels/disconnect?address={}", number());
            let page = browser.press(&asks, "/channels/disconnect", &[("address", number().as_str())]).await;
            assert_eq!(page.status, 200);
        }
        let state = connect.store.get(&number()).await.expect("the store answers").expect("a tombstone is left").state;
        assert_eq!(state, ChannelState::Disconnected);
        assert_eq!(stack.dead_letters().await.len(), 1, "nobody asked to have it deleted");

        let page = deletion_page(&connect, &signed_request(APP_USER, APP.1)).await;
        eventually_within(WITHIN, "it is done", async || {
            browser.get(&page).await.body.contains("None of it can be delivered").then_some(())
        })
        .await;
        assert_eq!(stack.dead_letters().await.len(), 0);
        let left = everything(&prefix).await;
        for trace in [NUMBER, APP_USER, ops::graph::ACCOUNT] {
            assert!(!left.contains(trace), "{trace} is still in\n{left}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_unknown_person_says_that_nothing_was_found() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;

    let page = deletion_page(&connect, &signed_request("122100000000999", APP.1)).await;

    let page = browser.get(&page).await;
    assert!(page.body.contains("there was nothing to delete"), "{page:?}");
    let record = connect.store.get(&number()).await.expect("the store answers").expect("it is another person's");
    assert_eq!(record.state, ChannelState::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_not_delivered_when_meta_repeats_it() {
    let mut stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(422));
    assert_eq!(stack.processes.post(text(1)).await, 200);
    let letter = eventually("it is parked", async || stack.dead_letters().await.pop()).await;
    let lane = letter.envelope.lane.to_string();
    stack.ops(&["erase", "--contact", &lane, "--yes"]).await;
    eventually_within(WITHIN, "it is erased", async || stack.dead_letters().await.is_empty().then_some(())).await;

    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    assert_eq!(stack.processes.post(text(1)).await, 200);
    assert_eq!(stack.processes.post(text(2)).await, 200);

    eventually("the repeat is seen to be one", async || {
        let skipped = stack.processes.dispatcher_metric("dispatcher_skipped_total{reason=\"duplicate\"}").await;
        (skipped > 0.5).then_some(())
    })
    .await;
    stack.processes.delivered(1).await;
    let delivered: Vec<_> = stack.processes.dsk.seen().into_iter().filter(|seen| seen.status == 200).collect();
    assert!(delivered.iter().all(|seen| seen.id != letter.envelope.id.as_str()), "what was erased was delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_an_operator_erases_is_gone_and_the_others_stay() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(422));
    for serial in 0..4 {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
    let letters = eventually("all are parked", async || {
        let letters = stack.dead_letters().await;
        (letters.len() == 4).then_some(letters)
    });
    let lane = letters.await[1].envelope.lane.to_string();

    let dry = stack.ops(&["erase", "--contact", &lane]).await;
    assert!(dry.contains("Nothing is done yet"), "{dry}");
    let output = stack.ops(&["erase", "--contact", &lane, "--yes"]).await;
    let (_, code) = output.split_once("--show ").unwrap();
    let code = code.split('`').next().unwrap();

    eventually_within(WITHIN, "it is done", async || {
        stack.ops(&["erase", "--show", code]).await.contains("done at").then_some(())
    })
    .await;
    let left = stack.dead_letters().await;
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|letter| letter.envelope.lane.as_str() != lane));
    assert!(!everything(&stack.direct.key_prefix).await.contains(lane.split_once('/').unwrap().1));
    stack.ops_fails(2, &["erase", "--yes"]).await;
}
