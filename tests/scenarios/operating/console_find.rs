//! The page of the console that finds an event: by HTTP, and as it looks in a real browser.

use testkit::eventually;

use crate::support::bodies::{ADDRESS, text};
use crate::support::browser::{Browser, Page};
use crate::support::console::Console;
use crate::support::page_checks::look;
use crate::support::stack::Stack;

/// Enters a message's id at Meta until the page that follows contains a text.
async fn find(browser: &mut Browser, message: &str, text: &str) -> Page {
    let entered = [("id", message), ("channel", ADDRESS)];
    let look = async || Some(browser.press("/find", "/find", &entered).await).filter(|page| page.body.contains(text));
    eventually(&format!("the page shows {text:?}"), look).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_finds_an_event_and_shows_what_happened_to_it_and_nothing_about_a_person() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.script = [503, 503].into());
    assert_eq!(stack.processes.post(text(1)).await, 200);
    let id = stack.processes.delivered(1).await.pop_first().expect("DSK has it");
    let console = Console::start(&stack).await;
    let mut browser = console.browser().await;

    let found = find(&mut browser, "wamid.1", "attempt 2 failed: unavailable, DSK answered 503").await;
    for part in ["delivered by attempt 3, DSK answered 200", "the message (whatsapp.message)", &id] {
        assert!(found.body.contains(part), "no {part:?} in {}", found.body);
    }
    assert!(found.body.contains(&format!("ops events find --message wamid.1 --channel {ADDRESS}")), "{}", found.body);
    let of_its_own = browser.press("/find", "/find", &[("id", &id), ("channel", "")]).await;
    assert!(of_its_own.body.contains("delivered by attempt 3"), "{}", of_its_own.body);
    for personal in ["Ada Sample", "4915550000001", "hello 1"] {
        assert!(!found.body.contains(personal) && !of_its_own.body.contains(personal), "{personal:?}");
    }

    let unknown = browser.get("/find?id=evt_aaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert!(unknown.status == 200 && unknown.body.contains("it never came here"), "{}", unknown.body);
    assert_eq!(browser.get("/find?id=wamid.1&channel=whatsapp%3A1").await.status, 400, "it may hold a number");
    assert_eq!(browser.press("/find", "/find", &[("id", "wamid.1"), ("channel", "")]).await.status, 400);
    assert!(!console.process.logged().contains("wamid.1"), "{}", console.process.logged());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_finds_an_event_looks_right_with_a_delivered_event_and_with_a_dead_letter() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.script = [503, 200, 400].into());
    assert_eq!(stack.processes.post(text(1)).await, 200);
    let delivered = stack.processes.delivered(1).await.pop_first().expect("DSK has it");
    assert_eq!(stack.processes.post(text(2)).await, 200);
    let parked = eventually("it is parked", async || Some(stack.dead_letters().await.first()?.envelope.id.to_string()));
    let parked = parked.await;
    let console = Console::start(&stack).await;
    let window = console.window().await;

    window.goto("/find").await;
    look(&window, "console-find").await;
    for (id, text, name) in [
        (&delivered, "delivered by attempt 2", "console-found"),
        (&parked, "parked as a dead letter", "console-found-dead"),
    ] {
        eventually("it is found", async || {
            window.goto(&format!("/find?id={id}")).await;
            window.text().await.contains(text).then_some(())
        })
        .await;
        look(&window, name).await;
    }
    window.press("Open the dead letter").await;
    window.is_at("A dead letter").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
}
