//! Every page of the console in a real browser, on a phone and on a desk, light and dark.

use serde_json::Value;
use testkit::eventually;

use crate::support::bodies::{ADDRESS, text};
use crate::support::chromium::Window;
use crate::support::console::Console;
use crate::support::page_checks::look;
use crate::support::stack::Stack;

/// Checks that the browser has the one cookie of the console, and that no page asked another machine for anything.
async fn stays_by_itself(window: &Window, console: &Console) {
    let cookies = window.cookies().await;
    let names: Vec<&Value> = cookies.iter().map(|cookie| &cookie["name"]).collect();
    let port = console.address.rsplit(':').next().unwrap_or_default();
    assert_eq!(names, [&Value::from(format!("console-{port}"))]);
    assert_eq!(cookies[0]["httpOnly"], true);
    assert_eq!(cookies[0]["sameSite"], "Strict");
    assert_eq!(cookies[0]["session"], true);
    let ours = format!("http://{}/", console.address);
    for request in window.requests().await {
        assert!(request.url.starts_with(&ours), "{request:?}");
    }
    assert_eq!(window.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_the_console_looks_right_and_asks_nobody_else_for_anything() {
    let stack = Stack::start().await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(400));
    for serial in 0..3 {
        assert_eq!(stack.processes.post(text(serial)).await, 200);
    }
    eventually("all are parked", async || (stack.depth(queue::QueueName::Dead).await == Some(3)).then_some(())).await;
    let console = Console::start(&stack).await;
    let window = console.window().await;

    window.goto("/dead-letters").await;
    // The page loads itself again once they are read.
    eventually("they are listed", async || window.text().await.contains("3 dead letters.").then_some(())).await;
    look(&window, "console-dead-letters").await;
    window.press("Replay all 3…").await;
    window.is_at("Replay 3 dead letters?").await;
    look(&window, "console-replay").await;
    window.press("Replay 3").await;
    window.is_at("Dead letters").await;
    eventually("it is done", async || window.text().await.contains("Replayed 3.").then_some(())).await;
    look(&window, "console-replayed").await;
    let id =
        eventually("they are parked again", async || Some(stack.dead_letters().await.first()?.envelope.id.to_string()))
            .await;
    window.goto(&format!("/dead-letters/show?id={id}")).await;
    window.press("Reveal the event").await;
    window.is_at("A dead letter, opened").await;
    look(&window, "console-revealed").await;

    window.goto("/channels").await;
    eventually("they are listed", async || window.text().await.contains(ADDRESS).then_some(())).await;
    look(&window, "console-channels").await;
    window.press(ADDRESS).await;
    window.is_at(ADDRESS).await;
    look(&window, "console-channel").await;
    window.press("Disconnect…").await;
    window.is_at(&format!("Disconnect {ADDRESS}?")).await;
    look(&window, "console-disconnect").await;

    window.goto("/erasures").await;
    look(&window, "console-erasures").await;
    stays_by_itself(&window, &console).await;
}
