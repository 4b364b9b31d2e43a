//! How a channel is connected, from the ticket to the stored channel, with stand-ins for Meta and the browser.

use channels::{ChannelState, ChannelStore, Ticket};
use event::Address;
use ops::graph::{ACCOUNT, APP_USER, Fault, INSTAGRAM_APP_USER, INSTAGRAM_USER, NUMBER};
use testkit::eventually;

use crate::support::bodies;
use crate::support::browser::{Browser, Page};
use crate::support::connect_stack::{API_KEY, ConnectStack};
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::Stack;

fn whatsapp() -> Address {
    Address::new(format!("whatsapp:{NUMBER}"))
}

fn instagram() -> Address {
    Address::new(format!("instagram:{INSTAGRAM_USER}"))
}

async fn state(store: &ChannelStore, address: &Address) -> Option<ChannelState> {
    store.get(address).await.expect("the store answers").map(|record| record.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_to_a_connected_whatsapp_number_with_sealed_tokens() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;

    let page = connect.sign_up(&mut browser).await;

    assert!(page.status == 200 && page.body.contains("Connected"), "{page:?}");
    assert_eq!(connect.graph.steps(), ["exchange", "debug", "numbers", "subscribe"]);
    assert!(connect.graph.subscribed().contains(ACCOUNT));
    let record = connect.store.get(&whatsapp()).await.unwrap().unwrap();
    assert_eq!((record.tenant.as_str(), record.account_id.as_deref()), ("acme", Some(ACCOUNT)));
    assert_eq!((record.app_user_id.as_deref(), record.name.as_deref()), (Some(APP_USER), Some("+49 30 000000")));
    assert_eq!(connect.opened(record.dsk_token), DSK_TOKEN);
    assert_eq!(connect.opened(record.access_token), "business-token");
    let logged = connect.logged_with("Connected whatsapp:", 1).await;
    assert!(!page.body.contains("business-token") && !logged.contains("business-token"));
    connect.meta_has_no_complaints();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_not_registered_is_registered_and_its_pin_is_shown_once() {
    let connect = ConnectStack::start().await;
    connect.graph.behave(|graph| graph.is_registered = false);
    let mut browser = connect.begin("acme").await;

    let page = connect.sign_up(&mut browser).await;

    assert_eq!(connect.graph.steps(), ["exchange", "debug", "numbers", "subscribe", "register"]);
    let (_, pin) = page.body.split_once("class=\"pin\">").unwrap();
    assert!(pin[..6].bytes().all(|digit| digit.is_ascii_digit()), "{page:?}");
    let logged = connect.logged_with("Connected whatsapp:", 1).await;
    assert!(!logged.contains(&pin[..6]), "the PIN is in the log");
    connect.meta_has_no_complaints();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_instagram_connects_the_account_under_both_of_its_ids() {
    for in_a_list in [false, true] {
        let connect = ConnectStack::start().await;
        connect.graph.behave(|graph| graph.in_a_list = in_a_list);
        let mut browser = connect.begin("acme").await;

        let login = browser.press("/channels", "/instagram", &[]).await;
        let page = browser.follow(&login, "allow").await;

        assert!(page.status == 200 && page.body.contains("@cafe.sample"), "{page:?}");
        let record = connect.store.get(&instagram()).await.unwrap().unwrap();
        assert_eq!(record.app_user_id.as_deref(), Some(INSTAGRAM_APP_USER));
        assert_eq!(connect.opened(record.access_token), "long-token");
        assert!(record.access_token_expires_at.is_some_and(|at| at.starts_with("202")));
        assert!(connect.graph.subscribed().contains(INSTAGRAM_USER));
        connect.meta_has_no_complaints();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_meta_leaves_nothing_half_connected_and_the_page_says_what_to_do() {
    let steps = ["exchange", "debug", "numbers", "subscribe", "register"];
    for (step, fault) in
        steps.into_iter().zip([Fault::Token, Fault::Trouble, Fault::Throttled, Fault::Permission, Fault::Trouble])
    {
        let connect = ConnectStack::start().await;
        connect.graph.behave(|graph| {
            graph.is_registered = false;
            graph.faults.insert(step, fault);
        });
        let mut browser = connect.begin("acme").await;

        let page = connect.sign_up(&mut browser).await;

        assert!(page.status >= 400 && page.body.contains("Try again"), "{step}: {page:?}");
        assert_eq!(connect.graph.subscribed().len(), 0, "{step} left a subscription");
        assert_eq!(state(&connect.store, &whatsapp()).await, None, "{step} left a record");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_browser_reports_is_believed_only_if_meta_confirms_it() {
    let connect = ConnectStack::start().await;
    connect.graph.behave(|graph| "200000000000777".clone_into(&mut graph.granted));
    let mut browser = connect.begin("acme").await;

    let other_account = connect.sign_up(&mut browser).await;
    connect.graph.behave(|graph| ACCOUNT.clone_into(&mut graph.granted));
    let other_number = connect.sign_up_as(&mut browser, "FINISH", "100000000000777").await;
    let cancelled = connect.sign_up_as(&mut browser, "CANCEL", "").await;

    assert!(other_account.status == 403 && other_number.status == 403, "{other_account:?} {other_number:?}");
    assert!(cancelled.body.contains("Nothing was changed"), "{cancelled:?}");
    assert_eq!((connect.graph.subscribed().len(), state(&connect.store, &whatsapp()).await), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instagram_login_that_is_refused_or_lacks_the_permission_connects_nothing() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;

    let login = browser.press("/channels", "/instagram", &[]).await;
    let refused = browser.follow(&login, "refuse").await;
    connect.graph.behave(|graph| "instagram_business_basic".clone_into(&mut graph.permissions));
    let login = browser.press("/channels", "/instagram", &[]).await;
    let unticked = browser.follow(&login, "allow").await;

    assert!(refused.body.contains("Nothing was changed"), "{refused:?}");
    assert!(unticked.status == 403 && unticked.body.contains("permission"), "{unticked:?}");
    assert_eq!((connect.graph.subscribed().len(), state(&connect.store, &instagram()).await), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_once_and_an_altered_or_used_one_writes_nothing() {
    let connect = ConnectStack::start().await;
    let link = connect.link("acme").await;
    let mut first = Browser::new(&connect.address);
    let mut second = Browser::new(&connect.address);

    // A messenger that previews the link does not use it up.
    assert_eq!(first.get(&link).await.status, 200);
    assert_eq!(second.get(&link).await.status, 200);
    let (one, other) = tokio::join!(first.post(&link, &[]), second.post(&link, &[]));
    let altered = link.replace("/connect/", "/connect/A");
    let strangers = [second.get(&link).await, second.get(&altered).await, second.post(&altered, &[]).await];

    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
    assert!(strangers.iter().all(|page| page.status == 410 && page.body.contains("no longer works")), "{strangers:?}");
    assert_eq!(connect.metric("connect_refused_total{reason=\"link\"}").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_needs_the_api_key_and_expires() {
    let connect = ConnectStack::start_with(&[("TICKET_TIME", "1s")]).await;
    let body = format!(r#"{{"tenant":"acme","dsk_token":"{DSK_TOKEN}"}}"#);

    let (no_key, _) = connect.api("wrong-key-wrong-key-wrong-key-wrong", &body).await;
    let (empty, reason) = connect.api(API_KEY, r#"{"tenant":" ","dsk_token":"t"}"#).await;
    for tenant in [r"acme\nlevel=error forged", &"a".repeat(60_000)] {
        let (status, answer) = connect.api(API_KEY, &body.replace("acme", tenant)).await;
        assert!(status == 400 && answer.contains("tenant"), "{status} {answer}");
    }
    let (status, answer) = connect.api(API_KEY, &body).await;

    for wrong in [
        r#""signing_secret":"whsec_no base64""#,
        r#""dsk_url":"http://dsk.example/""#,
        r#""dsk_url":"https://169.254.169.254/latest""#,
        r#""dsk_url":"https://user:password@dsk.example/""#,
        r#""dsk_url":"https://dsk.exa\tmple/""#,
        r#""other":1"#,
    ] {
        let (status, answer) = connect.api(API_KEY, &body.replace('}', &format!(",{wrong}}}"))).await;
        assert!(status == 400 && !answer.contains(DSK_TOKEN), "{wrong}: {status} {answer}");
    }

    assert_eq!((no_key, empty, status), (401, 400, 201));
    assert!(reason.contains("must not be empty"), "{reason}");
    assert!(!answer.contains(DSK_TOKEN), "{answer}");
    let url = serde_json::from_str::<serde_json::Value>(&answer).unwrap()["url"].as_str().unwrap().to_owned();
    let path = url.split_once("/connect/").map(|(_, link)| format!("/connect/{link}")).unwrap();
    let mut browser = Browser::new(&connect.address);
    eventually("it has expired", async || (browser.get(&path).await.status == 410).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_from_another_site_or_a_forged_cookie_changes_nothing() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let mut stranger = Browser::new(&connect.address);
    let mut other_tenant = connect.begin("other").await;
    let form = [("address", whatsapp().to_string())];

    let without_token = browser.post("/channels/disconnect", &[("address", &form[0].1), ("form_token", "")]).await;
    browser.origin = Some("https://evil.example".to_owned());
    let from_elsewhere = browser.press("/channels", "/instagram", &[]).await;
    let no_session = stranger.post("/channels/disconnect", &[("address", &form[0].1), ("form_token", "x")]).await;
    let altered = {
        stranger.cookie = browser.cookie.clone().map(|cookie| cookie.replace('.', "A."));
        stranger.get("/channels").await
    };
    let address = form[0].1.as_str();
    let ask = format!("/channels/disconnect?address={address}");
    let not_theirs = other_tenant.get(&ask).await;

    let refused: Vec<u16> = [&without_token, &from_elsewhere, &no_session, &altered].map(|page| page.status).to_vec();
    assert_eq!(refused, [403, 403, 403, 403]);
    assert_eq!(not_theirs.status, 404, "{not_theirs:?}");
    assert_eq!(state(&connect.store, &whatsapp()).await, Some(ChannelState::Connected));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_opens_no_page_and_is_counted() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    assert_eq!(browser.get("/channels").await.status, 200);
    let cookie = browser.cookie.clone().unwrap();
    let id = cookie.trim_start_matches("__Host-session=").split('.').next().unwrap();

    // Each step of a session sets its time; the test sets the shortest.
    connect.store.set_session_state(id, None, std::time::Duration::from_secs(1)).await.unwrap();

    eventually("it has run out", async || (browser.get("/channels").await.status == 403).then_some(())).await;
    let page = connect.sign_up(&mut browser).await;
    assert_eq!((page.status, connect.graph.subscribed().len()), (403, 0), "{page:?}");
    assert!(connect.metric("connect_refused_total{reason=\"session\"}").await >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_channel_is_unsubscribed_and_its_tokens_are_gone() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    let ask = format!("/channels/disconnect?address={}", whatsapp());

    let page = browser.press(&ask, "/channels/disconnect", &[("address", whatsapp().as_str())]).await;

    assert!(page.status == 200 && page.body.contains("Disconnected"), "{page:?}");
    assert_eq!(connect.graph.subscribed().len(), 0);
    let record = connect.store.get(&whatsapp()).await.unwrap().unwrap();
    assert_eq!((record.state, record.dsk_token, record.access_token), (ChannelState::Disconnected, None, None));
    assert_eq!(record.name, None);
    assert!(!browser.get("/channels").await.body.contains(NUMBER));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_of_another_tenant_is_not_taken_over() {
    let connect = ConnectStack::start().await;
    let mut acme = connect.begin("acme").await;
    let mut other = connect.begin("other").await;
    connect.sign_up(&mut acme).await;

    let page = connect.sign_up(&mut other).await;

    assert!(page.status == 409 && page.body.contains("another DSK customer"), "{page:?}");
    assert_eq!(connect.store.get(&whatsapp()).await.unwrap().unwrap().tenant, "acme");
    assert!(connect.graph.subscribed().contains(ACCOUNT), "the first tenant's events stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cookie_is_set_and_every_page_forbids_what_it_does_not_need() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;

    for path in ["/", "/channels", "/whatsapp", "/nowhere", "/style.css"] {
        let Page { headers, .. } = browser.get(path).await;
        let policy = headers.get("content-security-policy").unwrap().to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff");
    }

    assert_eq!(browser.cookies_set, 1);
    let cookie = browser.set_cookie.clone().unwrap();
    for attribute in ["__Host-session=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1800"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    browser.post("/leave", &[]).await;
    assert_eq!(browser.get("/channels").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_used_many_times_at_once_lets_one_person_in() {
    let connect = ConnectStack::start().await;
    let token = connect.ring.seal(&chassis::Secret::new("t"));
    let ticket = Ticket {
        tenant: "acme".to_owned(),
        dsk_token: token,
        dsk_url: None,
        signing_secret: None,
        issued_by: "test".to_owned(),
    };
    let life = std::time::Duration::from_mins(1);
    connect.store.issue_ticket("id", &ticket, life).await.unwrap();

    let sessions: Vec<String> = (0..8).map(|number| format!("session-{number}")).collect();
    let tries = sessions.iter().map(|session| connect.store.redeem_ticket("id", session, life));
    let let_in = futures_util::future::join_all(tries).await.into_iter().filter(|tried| matches!(tried, Ok(Some(_))));

    assert_eq!(let_in.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_connecting_a_notification_about_the_number_is_delivered_with_the_tenants_token() {
    let stack = Stack::start().await;
    let direct = &stack.direct;
    let connect = ConnectStack::on(&direct.channels_url, &direct.key_prefix, &stack.processes.key(), &[]).await;
    let mut browser = connect.begin("acme").await;

    connect.sign_up(&mut browser).await;
    stack.processes.post_until_accepted(bodies::from(NUMBER, "4915550000001", "first")).await;

    // The stand-in for DSK accepts only the bearer token that came with the ticket.
    stack.processes.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_link_works_like_a_link_that_dsk_asked_for() {
    let connect = ConnectStack::start().await;

    let mut browser = Browser::new(&connect.address);
    let link = connect.operators_link("acme").await;
    let begun = browser.post(&link, &[]).await;
    let page = connect.sign_up(&mut browser).await;

    assert_eq!(begun.status, 303, "{begun:?}");
    assert!(page.body.contains("Connected"), "{page:?}");
    let record = connect.store.get(&whatsapp()).await.unwrap().unwrap();
    assert_eq!(record.connected_by.as_deref(), Some("ticket of operator"));
}
