//! The operator's console, used by HTTP: it opens once, shows no personal data unasked, and does what the commands do.

use channels::ChannelState;
use event::Address;
use testkit::eventually;

use crate::support::bodies::{ADDRESS, text};
use crate::support::browser::{Browser, Page};
use crate::support::console::Console;
use crate::support::stack::Stack;

/// Posts messages that DSK refuses, and waits until all are parked.
async fn park(stack: &Stack, count: usize) {
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(400));
    for serial in 0..count {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
    let is_parked = async || (stack.depth(queue::QueueName::Dead).await == Some(count as u64)).then_some(());
    eventually("all are parked", is_parked).await;
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
}

/// Loads a page until it contains the text.
async fn shows(browser: &mut Browser, path: &str, text: &str) -> Page {
    let look = async || Some(browser.get(path).await).filter(|page| page.body.contains(text));
    eventually(&format!("{path} shows {text:?}"), look).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_lets_in_one_browser_once_and_refuses_every_other_request() {
    let stack = Stack::start().await;
    let console = Console::start(&stack).await;
    let mut stranger = Browser::new(&console.address);

    assert_eq!(stranger.get("/dead-letters").await.status, 401);
    assert_eq!(stranger.get("/enter/guess").await.status, 410);
    assert_eq!(stranger.cookies_set, 0);
    let mut browser = console.browser().await;
    let cookie = browser.set_cookie.clone().unwrap_or_default();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "it ends with the browser: {cookie}");
    assert_eq!(stranger.get(&console.link).await.status, 410, "the link was used");

    assert_eq!(browser.get("/dead-letters").await.status, 200);
    for (header, value, status) in [
        ("host", "evil.example", 421),
        ("origin", "http://evil.example", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
    ] {
        browser.headers = vec![(header, value)];
        assert_eq!(browser.get("/dead-letters").await.status, status, "{header}: {value}");
    }
    browser.headers.clear();
    shows(&mut browser, "/dead-letters", "There are no dead letters").await;
    assert_eq!(browser.post("/dead-letters/read", &[]).await.status, 403, "no form of ours");
    browser.origin = Some("http://127.0.0.1:1".to_owned());
    assert_eq!(browser.press("/dead-letters", "/dead-letters/read", &[]).await.status, 403, "a foreign form");
    browser.origin = None;
    assert_eq!(browser.press("/dead-letters", "/dead-letters/read", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_the_console_may_be_kept_framed_or_load_anything_from_elsewhere() {
    let stack = Stack::start().await;
    let console = Console::start(&stack).await;
    let mut browser = console.browser().await;

    for path in ["/dead-letters", "/channels", "/erasures", "/nowhere", "/style.css"] {
        let page = browser.get(path).await;
        let header = |name: &str| page.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(header("cache-control"), if path == "/style.css" { "no-cache" } else { "no-store" }, "{path}");
        let token = console.link.rsplit('/').next().unwrap_or_default();
        assert!(!page.body.contains(token), "{path} has the token of the link");
    }
    let logged = console.process.logged();
    let cookie = browser.cookie.as_deref().and_then(|cookie| cookie.split_once('=')).map(|(_, id)| id.to_owned());
    assert!(!logged.contains(&cookie.unwrap_or_default()), "the session is in the log");
    assert_eq!(logged.matches("/enter/").count(), 1, "the link is printed, and not logged:\n{logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_found_shown_without_personal_data_revealed_and_replayed() {
    let stack = Stack::start().await;
    park(&stack, 3).await;
    let console = Console::start(&stack).await;
    let mut browser = console.browser().await;

    let list = shows(&mut browser, "/dead-letters", "3</strong> dead letters").await;
    let letters = stack.dead_letters().await;
    let is_first = |letter: &&queue::DeadLetter| String::from_utf8_lossy(&letter.envelope.body).contains("hello 0");
    let id = letters.iter().find(is_first).expect("the first message is parked").envelope.id.to_string();
    for part in ["rejected", ADDRESS, "tenant", &id, "ops dead-letters list --limit 50"] {
        assert!(list.body.contains(part), "no {part:?} in {}", list.body);
    }
    assert!(browser.get("/dead-letters?reason=expired").await.body.contains("None of the 3"));
    assert!(browser.get("/dead-letters?tenant=tenant&newer_than=1h").await.body.contains("3</strong> dead letters"));
    assert_eq!(browser.get("/dead-letters?tenant=nobody").await.status, 400);

    let path = format!("/dead-letters/show?id={id}");
    let shown = browser.get(&path).await;
    assert!(shown.body.contains("DSK refused the event itself"), "{}", shown.body);
    let structure = browser.press(&path, "/dead-letters/show", &[("id", &id), ("reveal", "structure")]).await;
    assert!(structure.body.contains("phone_number_id"), "{}", structure.body);
    assert!(!console.process.logged().contains("Revealed"), "{}", console.process.logged());
    let revealed = browser.press(&path, "/dead-letters/show", &[("id", &id), ("reveal", "everything")]).await;
    assert!(console.process.logged().contains(&format!("Revealed dead letter {id}")), "{}", console.process.logged());
    for personal in ["hello 0", "4915550000000", "Ada Sample"] {
        assert!([&list, &shown, &structure].iter().all(|page| !page.body.contains(personal)), "{personal:?}");
        assert!(revealed.body.contains(personal), "no {personal:?} in {}", revealed.body);
        assert!(!console.process.logged().contains(personal), "{personal:?} in the log");
    }

    let nothing = browser.press("/dead-letters", "/dead-letters/preview", &[("change", "replay")]).await;
    assert_eq!(nothing.status, 400, "nothing is ticked");
    let preview = browser.press("/dead-letters", "/dead-letters/preview", &[("change", "replay"), ("id", &id)]).await;
    assert!(preview.body.contains("Replay 1 dead letter?"), "{}", preview.body);
    assert!(preview.body.contains(&format!("ops dead-letters replay {id} --yes")), "{}", preview.body);
    browser.press("/dead-letters", "/dead-letters/change", &[("change", "replay"), ("id", &id)]).await;
    shows(&mut browser, "/dead-letters", "Replayed 1.").await;
    assert!(stack.processes.delivered(1).await.contains(&id));
    shows(&mut browser, "/dead-letters", "2</strong> dead letters").await;

    browser.press("/dead-letters", "/dead-letters/change", &[("change", "discard"), ("reason", "rejected")]).await;
    shows(&mut browser, "/dead-letters", "Discarded 2.").await;
    assert_eq!(stack.dead_letters().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_outlives_its_page_and_a_stop_of_the_console_loses_none() {
    const COUNT: usize = 60;
    let stack = Stack::start().await;
    park(&stack, COUNT).await;
    let mut console = Console::start(&stack).await;
    let mut browser = console.browser().await;
    shows(&mut browser, "/dead-letters", "60</strong> dead letters").await;

    let slowly = [("change", "replay"), ("reason", "rejected"), ("rate", "10")];
    browser.press("/dead-letters", "/dead-letters/change", &slowly).await;
    let reloaded = browser.get("/dead-letters").await;
    assert!(reloaded.body.contains("<progress") && reloaded.body.contains("Replay 60 dead letters"), "{reloaded:?}");
    let second = browser.press("/dead-letters", "/dead-letters/change", &slowly).await;
    assert_eq!(second.status, 400, "one at a time");
    eventually("some are delivered", async || (stack.processes.dsk.events() >= 5).then_some(())).await;
    assert_eq!(console.process.stop().await, Some(0));

    let left = stack.dead_letters().await.len();
    assert!(left > 0, "all were replayed before the stop");
    eventually("none is lost", async || (stack.processes.dsk.events() + left >= COUNT).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_shown_without_its_tokens_and_disconnected() {
    let stack = Stack::start().await;
    let console = Console::start(&stack).await;
    let mut browser = console.browser().await;

    let list = shows(&mut browser, "/channels", ADDRESS).await;
    assert!(list.body.contains("connected") && list.body.contains("ops channels list"), "{}", list.body);
    assert!(!browser.get("/channels?state=disconnected").await.body.contains(ADDRESS));
    let path = format!("/channels/show?address={ADDRESS}");
    let shown = browser.get(&path).await;
    assert!(shown.body.contains("sealed") && !shown.body.contains(crate::support::dsk::DSK_TOKEN), "{}", shown.body);
    let check = browser.press(&path, "/channels/check", &[("address", ADDRESS)]).await;
    assert!(check.status == 400 && check.body.contains("META_APP_ID"), "{}", check.body);
    let link = browser.press(&path, "/channels/link", &[("address", ADDRESS)]).await;
    assert!(link.status == 400 && link.body.contains("CONNECT_URL"), "{}", link.body);

    let question = browser.get(&format!("/channels/disconnect?address={ADDRESS}")).await;
    assert!(question.body.contains(&format!("ops channels remove {ADDRESS} --yes")), "{}", question.body);
    let address = Address::new(ADDRESS);
    let state = async || stack.store().get(&address).await.ok().flatten().map(|record| record.state);
    assert_eq!(state().await, Some(ChannelState::Connected));
    browser.press(&path, "/channels/disconnect", &[("address", ADDRESS)]).await;
    assert_eq!(state().await, Some(ChannelState::Disconnected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_connecting_again_needs_no_token_and_works() {
    let stack = Stack::start().await;
    let secret = "a secret of connect that nobody can guess";
    let settings = [("CONNECT_URL", "https://connect.example.com"), ("CONNECT_SECRET", secret)];
    let console = Console::start_with(&stack, &settings).await;
    let mut browser = console.browser().await;

    let path = format!("/channels/show?address={ADDRESS}");
    let page = browser.press(&path, "/channels/link", &[("address", ADDRESS)]).await;

    assert!(page.body.contains("https://connect.example.com/connect/"), "{}", page.body);
    assert!(page.body.contains(&format!("ops connect-link --like {ADDRESS}")), "{}", page.body);
    assert!(!console.process.logged().contains("/connect/"), "the link is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_looked_at_confirmed_and_recorded_and_no_page_names_the_person_unasked() {
    const PERSON: &str = "4915550000002";
    let stack = Stack::start().await;
    park(&stack, 3).await;
    let console = Console::start(&stack).await;
    let mut browser = console.browser().await;
    let contact = format!("{ADDRESS}/+{PERSON}");

    browser.press("/erasures", "/erasures/look", &[("contacts", &contact)]).await;
    let question = shows(&mut browser, "/erasures", "Erase this?").await;
    assert!(question.body.contains("1 dead letter"), "{}", question.body);
    assert!(!question.body.contains(PERSON), "{}", question.body);
    let command = browser.press("/erasures", "/erasures/command", &[]).await;
    assert!(command.body.contains(&format!("ops erase --contact {ADDRESS}/{PERSON} --yes")), "{}", command.body);
    assert_eq!(stack.dead_letters().await.len(), 3, "nothing is done yet");

    browser.press("/erasures", "/erasures/carry-out", &[]).await;
    let done = shows(&mut browser, "/erasures", "Its record has the code").await;
    assert!(!done.body.contains(PERSON), "{}", done.body);
    shows(&mut browser, "/erasures", "<span class=\"state\">done</span>").await;
    assert_eq!(stack.dead_letters().await.len(), 2);
    assert!(!console.process.logged().contains(PERSON), "the log names the person");
}

#[cfg(feature = "long")]
#[tokio::test(flavor = "multi_thread")]
async fn with_200_000_dead_letters_and_10_000_channels_a_page_takes_300_ms_at_most_and_memory_is_bounded() {
    use std::time::{Duration, Instant};

    const DEAD_LETTERS: usize = 200_000;
    const CHANNELS: usize = 10_000;
    const PAGE_TIME_MAX: Duration = Duration::from_millis(300);
    /// An unoptimised program maps 31 MB of itself, which are part of this.
    const MEMORY_MAX: u64 = 140 << 20;
    let stack = Stack::start().await;
    let store = stack.store();
    let ring = crate::support::stack::key_ring(&[&stack.processes.key()]);
    let token = ring.seal(&chassis::Secret::new(crate::support::dsk::DSK_TOKEN));
    for serial in 1..CHANNELS {
        let address = Address::new(format!("whatsapp:{}", 200_000_000_000_000 + serial));
        let channel = channels::NewChannel::new(address, format!("tenant-{}", serial % 1_000), token.clone());
        store.add(&channel, chassis::now()).await.expect("the store answers");
    }
    stack.park(DEAD_LETTERS).await;
    let console = Console::start(&stack).await;
    let mut browser = console.browser().await;
    shows(&mut browser, "/channels", "of 10000 channels").await;
    println!("{} MB with the channels", console.process.peak_memory() >> 20);
    let began = Instant::now();
    shows(&mut browser, "/dead-letters", "200000</strong> dead letters").await;
    println!("read {DEAD_LETTERS} dead letters in {:.1} s", began.elapsed().as_secs_f64());
    println!("{} MB with both", console.process.peak_memory() >> 20);

    for path in [
        "/dead-letters",
        "/dead-letters?reason=rejected&tenant=tenant-7&newer_than=24h",
        "/dead-letters?type=whatsapp.message&page=4000",
        "/channels",
        "/channels?text=tenant-77&page=3",
        "/erasures",
    ] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let began = Instant::now();
            assert_eq!(browser.get(path).await.status, 200, "{path}");
            times.push(began.elapsed());
        }
        times.sort_unstable();
        println!("{path}: {:.0} ms (median of 5)", times[2].as_secs_f64() * 1e3);
        assert!(times[2] < PAGE_TIME_MAX, "{path}: {times:?}");
    }
    browser.press("/dead-letters", "/dead-letters/read", &[]).await;
    shows(&mut browser, "/dead-letters", "As of").await;
    let memory = console.process.peak_memory();
    println!("{} MB at most", memory >> 20);
    assert!(memory < MEMORY_MAX, "{} MB", memory >> 20);
}
