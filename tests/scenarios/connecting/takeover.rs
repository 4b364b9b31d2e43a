//! A number passes from one DSK customer to another while messages for the first one wait: nobody ever gets those.

use std::time::Duration;

use bytes::Bytes;
use chassis::Shutdown;
use event::Class;
use ops::dsk::Dsk;
use ops::graph::{APP, APP_USER, NUMBER};
use queue::{QueueName, Tier};
use testkit::{eventually, eventually_within};

use super::data_rights::signed_request;
use crate::support::bodies;
use crate::support::browser::Browser;
use crate::support::connect_stack::{API_KEY, ConnectStack};
use crate::support::dsk::{SIGNING_SECRET, start_dsk};
use crate::support::stack::Stack;

const OTHER_TOKEN: &str = "dsk-token-of-the-other-customer";
/// Dispatchers look for erasures every 10 s, and wait until the attempts under way have ended.
const WITHIN: Duration = Duration::from_mins(2);

/// A message to the number. Its id begins with whose it is.
fn message(id: &str) -> Bytes {
    from_person(1, id)
}

fn from_person(person: usize, id: &str) -> Bytes {
    bodies::from(NUMBER, &format!("49155500000{person:02}"), id)
}

/// How many requests with such messages a DSK has received, whatever it answered.
fn requests_with(dsk: &Dsk, ids: &str) -> usize {
    let is_one = |body: &[u8]| String::from_utf8_lossy(body).contains(&format!("wamid.{ids}"));
    dsk.seen().iter().filter(|seen| is_one(&seen.body)).count()
}

/// A browser with a session of a customer that has a DSK of its own.
async fn begin_at(connect: &ConnectStack, tenant: &str, dsk: &Dsk) -> Browser {
    let url = dsk.url();
    let body = format!(r#"{{"tenant":"{tenant}","dsk_token":"{OTHER_TOKEN}","dsk_url":"{url}"}}"#);
    let (status, answer) = connect.api(API_KEY, &body).await;
    assert_eq!(status, 201, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("it is JSON");
    let link = answer["url"].as_str().expect("there is a link");
    let path = link.strip_prefix(&format!("http://{}", connect.address)).expect("the link leads to this process");
    let mut browser = Browser::new(&connect.address);
    assert_eq!(browser.post(path, &[]).await.status, 303);
    browser
}

/// Whether no envelope is in a queue or in flight.
async fn is_all_settled(stack: &mut Stack) -> bool {
    if stack.waiting(Class::Messages).await != Some(0) {
        return false;
    }
    for tier in Tier::ALL {
        if stack.depth(QueueName::Retry(Class::Messages, tier)).await != Some(0) {
            return false;
        }
    }
    stack.processes.dispatcher_metric(r#"dispatcher_in_flight{class="messages"}"#).await < 0.5
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_one_customer_reaches_nobody_once_another_has_connected_the_number() {
    let mut stack = Stack::start().await;
    let direct = &stack.direct;
    let allowed = [("DSK_ALLOW_PRIVATE", "true")];
    let connect = ConnectStack::on(&direct.channels_url, &direct.key_prefix, &stack.processes.key(), &allowed).await;
    let mut first = connect.begin("first").await;
    assert_eq!(connect.sign_up(&mut first).await.status, 200);
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(422));
    stack.processes.post_until_accepted(message("first.parked")).await;
    eventually("it is parked", async || (stack.depth(QueueName::Dead).await == Some(1)).then_some(())).await;
    stack.processes.dsk.behave(|dsk| dsk.answer = Some(503));
    for serial in 0..20 {
        stack.processes.post_until_accepted(from_person(serial, &format!("first.{serial}"))).await;
    }
    eventually("they are held", async || stack.processes.logged().contains("Holding event").then_some(())).await;

    let withdrawal = signed_request(APP_USER, APP.1);
    let withdrawn = Browser::new(&connect.address).post("/meta/deauthorize", &[("signed_request", &withdrawal)]).await;
    assert_eq!(withdrawn.status, 200);
    stack.processes.post_until_accepted(message("nobody.1")).await;
    let other_dsk = start_dsk(OTHER_TOKEN, SIGNING_SECRET, &Shutdown::default()).await;
    let mut second = begin_at(&connect, "second", &other_dsk).await;
    assert_eq!(connect.sign_up(&mut second).await.status, 200);
    stack.processes.dsk.behave(|dsk| dsk.answer = None);
    stack.processes.post_until_accepted(message("second.1")).await;

    eventually("the second one gets its own", async || (requests_with(&other_dsk, "second") > 0).then_some(())).await;
    eventually_within(WITHIN, "the dead letter is gone", async || stack.dead_letters().await.is_empty().then_some(()))
        .await;
    eventually_within(WITHIN, "nothing waits", async || is_all_settled(&mut stack).await.then_some(())).await;
    assert_eq!(other_dsk.seen().len(), 1, "the second one got more than its own");
    let delivered = stack.processes.dsk.seen().into_iter().filter(|seen| seen.status == 200).count();
    assert_eq!(delivered, 0, "the first one has withdrawn");
    assert_eq!(requests_with(&stack.processes.dsk, "nobody") + requests_with(&stack.processes.dsk, "second"), 0);
}
