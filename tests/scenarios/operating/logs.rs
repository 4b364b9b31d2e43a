//! No log line holds a token, a message's text, a name or a phone number, be it as text, base64, hex or decimal bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event::Class;
use testkit::{RabbitMq, eventually};

use crate::support::bodies::text;
use crate::support::dsk::{DSK_TOKEN, SIGNING_SECRET};
use crate::support::partitions::delete_all;
use crate::support::stack::{APP_SECRET, Stack, verify_token};

const TEXT: &str = "a text that nobody else may read";
const NAME: &str = "Ada Sample";
const PHONE: &str = "4915550000001";

/// Every form in which a program might print bytes.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let decimal = bytes.iter().map(u8::to_string).collect::<Vec<_>>();
    // In the base64 of a longer text a part has one of three forms, which depend on where it begins; its ends vary.
    let shifted = (0..3).map(|shift| {
        let encoded = STANDARD.encode([&vec![0; shift], bytes].concat());
        let whole = bytes.len() / 3 * 4 - 4;
        encoded[4..whole].to_owned()
    });
    let mut forms: Vec<String> = shifted.collect();
    forms.extend([secret.to_owned(), hex::encode(bytes), hex::encode_upper(bytes)]);
    forms.extend([decimal.join(", "), decimal.join(","), decimal.join(" ")]);
    forms
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_logs_a_secret_or_personal_datum() {
    let broker = RabbitMq::shared().await;
    let vhost = broker.vhost();
    let mut stack = Stack::on(broker, vhost.url()).await;
    let body = String::from_utf8(text(1).to_vec()).unwrap().replace("hello 1", TEXT);

    // One body each is delivered, retried, refused, unrecognized, and returned by the broker.
    stack.processes.dsk.behave(|dsk| dsk.script.extend([503]));
    assert_eq!(stack.processes.post(body.clone().into()).await, 200);
    stack.processes.delivered(1).await;
    stack.processes.dsk.behave(|dsk| dsk.script.extend([400]));
    assert_eq!(stack.processes.post(body.replace("wamid.1", "wamid.2").into()).await, 200);
    assert_eq!(stack.processes.post(Bytes::from(format!("{TEXT} {PHONE}"))).await, 400, "it is not JSON");
    assert_eq!(stack.processes.post(Bytes::from(format!(r#"{{"{TEXT}":"{PHONE}"}}"#))).await, 200);
    eventually("both are parked", async || (stack.dead_letters().await.len() == 2).then_some(())).await;
    stack.redis_link.cut();
    eventually("the loss is noticed", async || {
        stack.processes.logged().contains("The channel store failed").then_some(())
    })
    .await;
    // A running dispatcher would declare the queue again before anything is returned.
    stack.processes.dispatchers[0].stop().await;
    delete_all(&vhost, Class::Messages).await;
    assert_eq!(
        stack.processes.post(body.replace("wamid.1", "wamid.3").into()).await,
        503,
        "the broker returned nothing"
    );
    stack.broker_link.cut();
    eventually("the loss is noticed", async || (stack.processes.post(body.clone().into()).await == 503).then_some(()))
        .await;
    stack.processes.ingest.stop().await;

    let log = stack.processes.logged();
    assert!(log.contains("Delivered event") && log.contains("Refused a notification"), "nothing happened:\n{log}");
    let key = stack.processes.key();
    for secret in [TEXT, NAME, PHONE, DSK_TOKEN, APP_SECRET, SIGNING_SECRET, verify_token(), key.expose()] {
        for form in forms(secret) {
            assert!(!log.contains(&form), "{secret:?} was logged as {form:?}");
        }
    }
}
