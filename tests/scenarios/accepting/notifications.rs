//! Ingest accepts everything that Meta signed, and nothing else.

use bytes::Bytes;
use chassis::Secret;
use event::Class;
use http_body_util::Full;
use hyper::{Request, Version};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use ops::webhook::Meta;
use testkit::eventually;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::bodies::{ADDRESS, NUMBER, large, statuses, text};
use crate::support::partitions::delete_all;
use crate::support::stack::{APP_SECRET, OTHER_APP_SECRET, Stack, get, raw, verify_token};

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_echoes_the_challenge_for_our_verify_token_only() {
    let stack = Stack::start().await;
    let address = stack.processes.ingest_address.to_string();
    let ask =
        |mode: &str, token: &str| format!("/webhook?hub.mode={mode}&hub.challenge=a%2Bb1&hub.verify_token={token}");

    assert_eq!(get(&address, &ask("subscribe", verify_token())).await, (200, "a+b1".to_owned()));
    assert_eq!(get(&address, &ask("subscribe", "wrong")).await.0, 403);
    assert_eq!(get(&address, &ask("unsubscribe", verify_token())).await.0, 403);
    assert_eq!(get(&address, "/webhook").await.0, 403);
}

/// The secret, body and digest are a test vector of our own, made with OpenSSL and Python.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_sha256_signature_of_the_raw_bytes_is_accepted() {
    const BODY: &str = r#"{"object":"instagram","entry":[{"id":"0","time":1520383572,"messaging":[{"message":{"mid":"m","text":"\u00e4\u00f6\u00e5 \ud83e\udd70 \/"}}]}]}"#;
    const SIGNATURE: &str = "sha256=f61c9efdf238125f95cb8f5d0be1f8e66fd55d10b6d8e9792265f7bfff8371c7";
    let stack = Stack::start().await;
    let body = Bytes::from_static(BODY.as_bytes());
    let post = async |signature: Option<&str>, body: &Bytes| {
        stack.processes.meta.post_with(body.clone(), signature).await.unwrap().as_u16()
    };
    let signed_with = |secret: &str| Meta::signature(BODY.as_bytes(), &Secret::new(secret));

    assert_eq!(post(Some(SIGNATURE), &body).await, 200, "the vector");
    assert_eq!(post(Some(&signed_with(OTHER_APP_SECRET)), &body).await, 200, "the second app's secret");

    assert_eq!(post(None, &body).await, 401, "missing");
    for malformed in ["", "sha256=", "sha256=00", "f61c9efd", &SIGNATURE.replace("sha256", "sha1")] {
        assert_eq!(post(Some(malformed), &body).await, 401, "{malformed:?}");
    }
    assert_eq!(post(Some(&signed_with("not ours")), &body).await, 401, "a secret that is not ours");
    let encoded_again = Bytes::from(BODY.replace(r"\u00e4\u00f6\u00e5", "äöå"));
    assert_eq!(post(Some(SIGNATURE), &encoded_again).await, 401, "the same JSON in another encoding");
    let sha1_only = "POST /webhook HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 2\r\n\
                     x-hub-signature: sha1=4a7874b8fef24bc7e2e875f3ad549aff780509f9\r\n\r\n{}";
    assert_eq!(raw(&stack.processes.ingest_address.to_string(), sha1_only.as_bytes()).await.0, 401, "sha1 only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_logs_the_client_that_a_trusted_proxy_names() {
    let mut stack = Stack::start().await;

    let forged = "POST /webhook HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 2\r\n\
                  x-forwarded-for: 192.0.2.1, 198.51.100.7\r\n\r\n{}";
    assert_eq!(raw(&stack.processes.ingest_address.to_string(), forged.as_bytes()).await.0, 401);

    let line = stack.processes.ingest.logs("Refused a notification: the signature is missing status=401 client=").await;
    assert_eq!(line, "198.51.100.7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_may_speak_http_2_without_tls() {
    let stack = Stack::start().await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let body = text(1);

    let request = Request::post(format!("http://{}/webhook", stack.processes.ingest_address))
        .header("x-hub-signature-256", Meta::signature(&body, &Secret::new(APP_SECRET)))
        .body(Full::new(body))
        .unwrap();
    let answer = client.request(request).await.unwrap();

    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    stack.processes.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_three_megabytes_is_delivered_and_one_over_four_is_refused() {
    let stack = Stack::start().await;

    assert_eq!(stack.processes.post(large(3 << 20)).await, 200);
    assert_eq!(stack.processes.post(large(4 << 20)).await, 413);

    stack.processes.delivered(1).await;
    assert!(stack.processes.dsk.seen()[0].body.len() > 3 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_thousand_updates_in_one_notification_is_delivered() {
    let stack = Stack::start().await;

    assert_eq!(stack.processes.post(statuses(0..1_000)).await, 200);

    stack.processes.delivered(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_json_that_meta_signed_is_accepted_and_costs_one_dead_letter_however_often_it_comes() {
    let mut stack = Stack::start().await;

    let bodies = ["[]", "{}", "7", r#"{"object":"page"}"#, r#"{"object":"whatsapp_business_account","entry":7}"#];
    for body in bodies.into_iter().chain(bodies) {
        assert_eq!(stack.processes.post(Bytes::from_static(body.as_bytes())).await, 200, "{body:?}");
    }

    // The last one names a platform, so it waits for its channel.
    eventually("they are parked", async || (stack.dead_letters().await.len() >= 4).then_some(())).await;
    eventually("nothing waits", async || (stack.waiting(Class::Updates).await == Some(0)).then_some(())).await;
    let letters = stack.dead_letters().await;
    assert!(letters.iter().all(|dead| dead.letter.reason == "unrecognized"), "{letters:?}");
    assert_eq!(letters.len(), 4, "{letters:?}");
    eventually("they are counted", async || {
        let parked = r#"dispatcher_dead_letters_total{reason="unrecognized"}"#;
        (stack.processes.dispatcher_metric(parked).await >= 4.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_notification_costs_one_dead_letter_although_another_ingest_accepts_it_again() {
    let mut stack = Stack::start().await;
    assert_eq!(stack.processes.post(Bytes::from_static(b"[]")).await, 200);
    eventually("it is parked", async || (stack.dead_letters().await.len() == 1).then_some(())).await;

    let mut second = stack.processes.start_second_ingest().await;
    assert_eq!(second.meta.post(Bytes::from_static(b"[]")).await.expect("it answers").as_u16(), 200);

    eventually("the repeat is skipped", async || {
        let skipped = stack.processes.dispatcher_metric(r#"dispatcher_skipped_total{reason="duplicate"}"#).await;
        (skipped > 0.5).then_some(())
    })
    .await;
    assert_eq!(stack.dead_letters().await.len(), 1);
    assert_eq!(second.process.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_notification_and_names_an_erased_channel_is_not_parked() {
    let mut stack = Stack::start().await;
    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0));
    stack.processes.dispatchers.clear();
    let body = format!(r#"{{"object":"unknown","phone_number_id":"{NUMBER}"}}"#);
    assert_eq!(stack.processes.post(Bytes::from(body)).await, 200);
    stack.ops(&["erase", "--channel", ADDRESS, "--yes"]).await;

    stack.processes.add_dispatcher().await;

    eventually("it is skipped", async || {
        let skipped = stack.processes.dispatcher_metric(r#"dispatcher_skipped_total{reason="erased"}"#).await;
        (skipped > 0.5).then_some(())
    })
    .await;
    // What the eraser removes is counted as skipped, too.
    let parked = r#"dispatcher_dead_letters_total{reason="unrecognized"}"#;
    assert!(stack.processes.dispatcher_metric(parked).await < 0.5, "it was parked");
}

/// Meta signs the payload of a `signed_request` with the same secret, in another notation: whoever has seen one can post
/// it as a body with a signature that is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_that_is_posted_as_a_notification_is_refused_and_costs_no_dead_letter() {
    let stack = Stack::start().await;

    for body in ["", "no json", "eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsInVzZXJfaWQiOiIyMTg0NzEifQ"] {
        assert_eq!(stack.processes.post(Bytes::from_static(body.as_bytes())).await, 400, "{body:?}");
    }

    assert_eq!(stack.processes.post(text(1)).await, 200);
    stack.processes.delivered(1).await;
    assert_eq!(stack.dead_letters().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_well_formed_signature_is_answered_before_its_body_is_read() {
    let stack = Stack::start().await;
    let address = stack.processes.ingest_address.to_string();

    for header in ["", "x-hub-signature-256: sha256=00\r\n"] {
        let head = format!(
            "POST /webhook HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 4000000\r\n{header}\r\n{{"
        );
        assert_eq!(raw(&address, head.as_bytes()).await.0, 401, "{header:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_half_way_disturbs_no_other() {
    let stack = Stack::start().await;
    let address = stack.processes.ingest_address;

    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"POST /webhook HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n{\"object\":").await.unwrap();
    drop(half);
    let body = text(1);
    let signature = Meta::signature(&body, &Secret::new(APP_SECRET));
    let mut whole = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: t\r\ncontent-length: {}\r\nx-hub-signature-256: {signature}\r\n\r\n",
        body.len()
    );
    whole.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    whole.shutdown().await.unwrap();
    drop(whole);

    assert_eq!(stack.processes.post(text(2)).await, 200);
    // The event of the client that did not wait for its answer may be delivered or not; the other event is.
    eventually("the event is delivered", async || (!stack.processes.dsk.ids().is_empty()).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_stalls_is_answered_408() {
    let stack = Stack::start().await;

    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: 1000\r\n\
         x-hub-signature-256: {}\r\n\r\n{{",
        Meta::signature(b"", &Secret::new(APP_SECRET))
    );
    let (status, _) = raw(&stack.processes.ingest_address.to_string(), head.as_bytes()).await;

    assert_eq!(status, 408);
    let (status, _) = raw(&stack.processes.ingest_address.to_string(), b"POST /webhook HTTP/1.1\r\nhost: ").await;
    assert!([0, 408].contains(&status), "headers that never end were answered {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_costs_a_503_until_somebody_who_may_declares_it_again() {
    let broker = testkit::RabbitMq::shared().await;
    let vhost = broker.vhost();
    let mut stack = Stack::on(broker, vhost.url()).await;
    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0));

    delete_all(&vhost, Class::Messages).await;

    assert_eq!(stack.processes.post(text(1)).await, 503);
    // Ingest may not, and no dispatcher runs.
    stack.ops(&["topology"]).await;
    stack.processes.post_until_accepted(text(1)).await;
    eventually("the event waits", async || (stack.waiting(Class::Messages).await == Some(1)).then_some(())).await;
}
