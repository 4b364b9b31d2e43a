//! Every way through the pages, walked in a real browser as people see it.

use std::collections::BTreeMap;

use chassis::now;
use ops::graph::{ACCOUNT, APP, APP_USER, Fault, INSTAGRAM_USER, NUMBER};
use testkit::{Link, Redis, eventually};
use url::{Origin, Url};

use crate::connecting::data_rights::signed_request;
use crate::support::browser::Browser;
use crate::support::chromium::Window;
use crate::support::connect_stack::ConnectStack;
use crate::support::page_checks::{DESKTOP, PHONE, look, resize};

fn origin(url: &str) -> Origin {
    Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).origin()
}

/// Checks that pages requested nothing but ours and Meta's, and returns the paths of our pages that requested something
/// of Meta's.
async fn pages_that_call_meta(window: &Window, connect: &ConnectStack) -> Vec<String> {
    let ours = origin(&format!("http://{}", connect.address));
    let metas = origin(&connect.sdk_url());
    let mut callers = Vec::new();
    for request in window.requests().await {
        let page = origin(&request.page);
        let target = origin(&request.url);
        let is_expected = target == metas || (target == ours && page == ours);
        assert!(is_expected, "{request:?}");
        if page == ours && target == metas {
            callers.push(Url::parse(&request.page).map(|page| page.path().to_owned()).unwrap_or_default());
        }
    }
    callers
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapp_is_connected_through_metas_window_on_a_phone_and_on_a_desktop() {
    for size in [PHONE, DESKTOP] {
        let connect = ConnectStack::start().await;
        let window = Window::open(&connect).await;
        resize(&window, size).await;

        window.goto(&connect.link("acme").await).await;
        window.is_at("Connect your channels").await;
        window.press("Continue").await;
        window.is_at("Your channels").await;
        window.press("Connect WhatsApp").await;
        window.is_at("Connect WhatsApp").await;
        assert_eq!(pages_that_call_meta(&window, &connect).await, Vec::<String>::new(), "before the click");
        window.press("Continue with Facebook").await;
        window.press_in_popup("Finish").await;
        window.is_at("Connected").await;
        window.press("Back to your channels").await;
        window.is_at("Your channels").await;

        assert!(window.text().await.contains("+49 30 000000"), "{}", window.text().await);
        assert_eq!(connect.graph.steps(), ["exchange", "debug", "numbers", "subscribe"]);
        assert_eq!(pages_that_call_meta(&window, &connect).await, ["/whatsapp"]);
        assert_eq!(window.complaints().await, Vec::<String>::new());
        connect.meta_has_no_complaints();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instagram_is_connected_through_its_login_on_a_phone_and_on_a_desktop() {
    for size in [PHONE, DESKTOP] {
        let connect = ConnectStack::start().await;
        let window = Window::begin(&connect, "acme").await;
        resize(&window, size).await;

        window.press("Connect Instagram").await;
        window.press("Allow").await;
        window.is_at("Connected").await;
        window.press("Back to your channels").await;
        window.is_at("Your channels").await;

        assert!(window.text().await.contains("@cafe.sample"), "{}", window.text().await);
        assert_eq!(pages_that_call_meta(&window, &connect).await, Vec::<String>::new());
        assert_eq!(window.complaints().await, Vec::<String>::new());
        connect.meta_has_no_complaints();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_on_the_way_to_a_channel_and_away_from_it_looks_right() {
    let connect = ConnectStack::start().await;
    connect.graph.behave(|graph| graph.is_registered = false);
    let window = Window::open(&connect).await;

    window.goto(&connect.link("acme").await).await;
    look(&window, "begin").await;
    window.press("Continue").await;
    window.is_at("Your channels").await;
    look(&window, "channels-none").await;
    window.goto("/whatsapp").await;
    look(&window, "whatsapp").await;
    window.sign_up("Finish").await;
    window.is_at("Connected").await;
    look(&window, "whatsapp-connected-with-pin").await;
    window.log_in("Allow").await;
    window.is_at("Connected").await;
    look(&window, "instagram-connected").await;
    window.goto("/channels").await;
    look(&window, "channels").await;
    connect.set(&format!("instagram:{INSTAGRAM_USER}"), "name", "").await;
    window.goto("/channels").await;
    look(&window, "channels-without-a-name").await;
    connect.set(&format!("instagram:{INSTAGRAM_USER}"), "name", "@cafe.sample").await;

    connect.set(&format!("whatsapp:{NUMBER}"), "state", "reconnect_needed").await;
    window.goto("/channels").await;
    look(&window, "channels-reconnect-needed").await;
    window.press("Reconnect +49 30 000000").await;
    window.is_at("Connect WhatsApp").await;

    window.goto("/channels").await;
    window.press("Disconnect @cafe.sample").await;
    window.is_at("Disconnect this channel?").await;
    look(&window, "disconnect").await;
    window.press("Disconnect").await;
    window.is_at("Disconnected").await;
    look(&window, "disconnected").await;
    connect.graph.behave(|graph| graph.faults = BTreeMap::from([("unsubscribe", Fault::Trouble)]));
    window.press("Back to your channels").await;
    window.press("Disconnect +49 30 000000").await;
    window.is_at("Disconnect this channel?").await;
    window.press("Disconnect").await;
    window.is_at("Disconnected").await;
    look(&window, "disconnected-still-subscribed").await;

    window.press("Back to your channels").await;
    window.is_at("Your channels").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.press("Finish and sign out").await;
    window.is_at("This page needs a link").await;
    look(&window, "start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_may_not_enter_reads_why_and_what_to_do() {
    let connect = ConnectStack::start().await;
    let window = Window::open(&connect).await;
    let used = connect.link("acme").await;
    Browser::new(&connect.address).post(&used, &[]).await;

    window.goto(&used).await;
    window.is_at("This link no longer works").await;
    look(&window, "link-used").await;
    window.goto("/channels").await;
    window.is_at("Please start again").await;
    look(&window, "session-ended").await;
    window.goto("/nowhere").await;
    window.is_at("There is no such page").await;
    look(&window, "not-found").await;
    window.press("Privacy policy").await;
    window.is_at("Privacy policy").await;
    look(&window, "privacy").await;

    let window = {
        drop(window);
        Window::begin(&connect, "acme").await
    };
    window.goto("/instagram/return?code=code-1&state=forged").await;
    window.is_at("That did not work").await;
    look(&window, "state-wrong").await;
    let mut other = connect.begin("other").await;
    connect.sign_up(&mut other).await;
    window.goto(&format!("/channels/disconnect?address=whatsapp:{NUMBER}")).await;
    window.is_at("There is no such page").await;
    look(&window, "not-yours").await;
    let mut busy = Browser::new(&connect.address);
    for _ in 0..60 {
        busy.post("/leave", &[]).await;
    }
    window.goto("/channels").await;
    window.press("Finish and sign out").await;
    window.is_at("Too many attempts").await;
    look(&window, "too-often").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_cancels_metas_login_reads_that_nothing_was_changed() {
    let connect = ConnectStack::start().await;
    let window = Window::begin(&connect, "acme").await;

    window.sign_up("Cancel").await;
    window.is_at("Not connected").await;
    look(&window, "whatsapp-cancelled").await;
    window.back().await;
    window.is_at("Connect WhatsApp").await;
    window.press("Continue with Facebook").await;
    window.press_in_popup("Cancel").await;
    window.is_at("Not connected").await;
    window.press("Try again").await;
    window.is_at("Connect WhatsApp").await;
    window.log_in("Refuse").await;
    window.is_at("Not connected").await;
    look(&window, "instagram-cancelled").await;

    assert_eq!(connect.metric("connect_connections_total{outcome=\"cancelled\"}").await, 3);
    assert_eq!(window.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_at_meta_is_explained_on_a_page_that_leads_on() {
    let connect = ConnectStack::start().await;
    let window = Window::begin(&connect, "acme").await;
    let faults = [
        ("away", "exchange", Fault::Trouble, "can't reach Meta"),
        ("throttled", "numbers", Fault::Throttled, "asks us to pause"),
        ("token", "exchange", Fault::Token, "valid for only a few seconds"),
        ("permission", "subscribe", Fault::Permission, "permission is missing"),
        ("register", "register", Fault::Trouble, "could not register"),
    ];

    for (name, step, fault, explanation) in faults {
        connect.graph.behave(|graph| {
            graph.is_registered = false;
            graph.faults = BTreeMap::from([(step, fault)]);
        });
        window.sign_up("Finish").await;
        window.is_at("That did not work").await;
        assert!(window.text().await.contains(explanation), "{}", window.text().await);
        look(&window, &format!("failed-{name}")).await;
    }
    connect.graph.behave(|graph| {
        graph.faults.clear();
        "instagram_business_basic".clone_into(&mut graph.permissions);
        "200000000000777".clone_into(&mut graph.granted);
    });
    window.sign_up("Finish").await;
    window.is_at("That did not work").await;
    assert!(window.text().await.contains("did not give us access"), "{}", window.text().await);
    look(&window, "failed-not-granted").await;
    window.log_in("Allow").await;
    window.is_at("That did not work").await;
    assert!(window.text().await.contains("permission is missing"), "{}", window.text().await);
    connect.graph.behave(|graph| ACCOUNT.clone_into(&mut graph.granted));
    let mut other = connect.begin("other").await;
    connect.sign_up(&mut other).await;
    window.sign_up("Finish").await;
    window.is_at("That did not work").await;
    assert!(window.text().await.contains("another DSK customer"), "{}", window.text().await);
    look(&window, "failed-other-tenant").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_script_of_meta_and_an_unreachable_store_are_explained() {
    let redis = Redis::shared().await;
    let link = Link::to(redis.address()).await;
    let connect = ConnectStack::on(&redis.url_through(&link), &redis.prefix(), &channels::new_key(), &[]).await;
    let window = Window::begin(&connect, "acme").await;

    window.command("Network.enable", serde_json::json!({})).await;
    window.command("Network.setBlockedURLs", serde_json::json!({ "urls": ["*sdk.js"] })).await;
    window.goto("/whatsapp").await;
    window.press("Continue with Facebook").await;
    eventually("the page says so", async || window.text().await.contains("has not loaded").then_some(())).await;
    look(&window, "whatsapp-blocked").await;
    window.command("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": true })).await;
    window.goto("/whatsapp").await;
    assert!(window.text().await.contains("needs JavaScript"), "{}", window.text().await);
    window.command("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": false })).await;

    link.cut();
    window.goto("/channels").await;
    window.is_at("We have a problem").await;
    look(&window, "store-away").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_asked_for_deletion_sees_its_progress() {
    let connect = ConnectStack::start().await;
    let mut owner = connect.begin("acme").await;
    connect.sign_up(&mut owner).await;
    let signed = signed_request(APP_USER, APP.1);
    let answer = Browser::new(&connect.address).post("/meta/deletion", &[("signed_request", &signed)]).await;
    let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let path = format!("/deletion/{}", answer["confirmation_code"].as_str().unwrap());
    let window = Window::open(&connect).await;

    window.goto(&path).await;
    assert!(window.text().await.contains("are being deleted"), "{}", window.text().await);
    look(&window, "deletion-pending").await;
    for erasure in connect.store.pending_erasures().await.unwrap() {
        connect.store.finish_erasure(&erasure, now()).await.unwrap();
    }
    window.goto(&path).await;
    assert!(window.text().await.contains("are deleted"), "{}", window.text().await);
    look(&window, "deletion-done").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.goto("/deletion/0123456789abcdef0123456789abcdef").await;
    look(&window, "deletion-unknown").await;
}
