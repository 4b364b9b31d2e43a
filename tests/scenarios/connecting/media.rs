//! DSK fetches files with a channel's own token; connect passes them through from Meta's hosts and no others.

use channels::ChannelState;
use event::Address;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
pub(crate) use ops::graph::media::{MediaFile, RangeAnswer, content};
use ops::graph::{Fault, NUMBER};
use sha2::{Digest as _, Sha256};
use testkit::eventually;

use crate::support::connect_stack::ConnectStack;
use crate::support::dsk::DSK_TOKEN;

/// Starts connect with a connected number, and a Meta that has these files.
pub(crate) async fn with_files(files: &[(&str, MediaFile)]) -> ConnectStack {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;
    connect.sign_up(&mut browser).await;
    connect
        .graph
        .behave(|graph| graph.files = files.iter().map(|(id, file)| ((*id).to_owned(), file.clone())).collect());
    connect
}

/// The path of a file of the connected number.
pub(crate) fn path(file: &str) -> String {
    format!("/media/whatsapp/{NUMBER}/{file}")
}

/// Sends DSK's request and returns the head of the answer.
pub(super) async fn ask(
    connect: &ConnectStack,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<hyper::body::Incoming> {
    try_ask(connect, path, headers).await.expect("it answers")
}

/// The same, where the answer may break off before its head.
async fn try_ask(
    connect: &ConnectStack,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response<hyper::body::Incoming>, hyper_util::client::legacy::Error> {
    let mut request = Request::builder().method(Method::GET).uri(format!("http://{}{path}", connect.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    client.request(request.body(Full::default()).expect("a request")).await
}

/// Sends it with the channel's token.
pub(super) async fn fetch(
    connect: &ConnectStack,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<hyper::body::Incoming> {
    let bearer = format!("Bearer {DSK_TOKEN}");
    ask(connect, path, &[&[("authorization", bearer.as_str())], headers].concat()).await
}

/// The status of an answer without a file, and the word that says why there is none.
pub(super) async fn word(answer: Response<hyper::body::Incoming>) -> (u16, String) {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("it ends").to_bytes();
    let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert!(json["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{json}");
    let word = json["error"].as_str().expect("a word").to_owned();
    let contract = include_str!("../../../docs/dsk-contract.md");
    assert!(contract.contains(&format!("`{word}`")), "{word} is not in the contract");
    (status, word)
}

#[tokio::test(flavor = "multi_thread")]
async fn dsk_gets_a_file_or_a_range_of_it_with_its_own_token_and_never_sees_metas_token() {
    let files = [("9001", MediaFile::default()), ("9002", MediaFile { in_base64: true, ..MediaFile::default() })];
    let connect = with_files(&files).await;

    let whole = fetch(&connect, &path("9001"), &[]).await;
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(
        (whole.status(), &whole.headers()["content-type"]),
        (StatusCode::OK, &"application/pdf".parse().unwrap())
    );
    assert_eq!(whole.headers()["content-length"], "100000");
    assert!(!format!("{:?}", whole.headers()).contains("business-token"));
    assert!(whole.into_body().collect().await.unwrap().to_bytes() == content(0, 100_000));
    let other = fetch(&connect, &path("9002"), &[]).await;
    assert!(other.into_body().collect().await.unwrap().to_bytes() == content(0, 100_000));
    let rest = fetch(&connect, &path("9001"), &[("range", "bytes=99000-"), ("if-range", &tag)]).await;
    assert_eq!(
        (rest.status(), &rest.headers()["content-range"]),
        (StatusCode::PARTIAL_CONTENT, &"bytes 99000-99999/100000".parse().unwrap())
    );
    assert!(rest.into_body().collect().await.unwrap().to_bytes() == content(99_000, 100_000));
    let changed = fetch(&connect, &path("9001"), &[("range", "bytes=99000-"), ("if-range", "\"another\"")]).await;
    assert_eq!(changed.status(), StatusCode::OK, "the file changed, so it is sent from its beginning");
    let beyond = fetch(&connect, &path("9001"), &[("range", "bytes=200000-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let logged = connect.logged_with("Passing on a file", 4).await;
    assert!(!logged.contains("business-token") && !logged.contains(DSK_TOKEN));
    connect.meta_has_no_complaints();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_without_a_length_brings_no_more_bytes_than_were_asked_for() {
    let file = |range| MediaFile { range, ..MediaFile::default() };
    let files = [("9001", file(RangeAnswer::Endless)), ("9002", file(RangeAnswer::EndlessAndUnnamed))];
    let connect = with_files(&files).await;

    let bearer = format!("Bearer {DSK_TOKEN}");
    let endless = try_ask(&connect, &path("9001"), &[("authorization", &bearer), ("range", "bytes=99000-")]).await;
    let mut bytes = 0;
    // What is too long may break off before anything of it is sent.
    if let Ok(answer) = endless {
        let mut body = answer.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.into_data().map_or(0, |piece| piece.len());
            assert!(bytes <= 1_000, "{bytes} bytes of 1,000, and more to come");
        }
    }
    connect.logged_with("longer than Meta announced", 1).await;
    let unnamed = fetch(&connect, &path("9002"), &[("range", "bytes=99000-")]).await;

    assert_eq!(word(unnamed).await, (502, "unusable".to_owned()));
    let several = fetch(&connect, &path("9002"), &[("range", "bytes=0-1,5-6")]).await;
    assert_eq!(several.status(), StatusCode::OK, "several ranges at once are not passed on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_the_channels_token_gets_nothing_and_is_counted() {
    let connect = with_files(&[("9001", MediaFile::default())]).await;
    let steps = connect.graph.steps().len();

    let mut words = Vec::new();
    words.push(word(ask(&connect, &path("9001"), &[]).await).await);
    words.push(word(ask(&connect, &path("9001"), &[("authorization", "Bearer stolen")]).await).await);
    words.push(word(fetch(&connect, "/media/whatsapp/100000000000777/9001", &[]).await).await);
    connect.store.remove(&Address::new(format!("whatsapp:{NUMBER}")), chassis::now()).await.unwrap();
    words.push(word(fetch(&connect, &path("9001"), &[]).await).await);

    assert!(words.iter().all(|word| *word == (401, "unauthorized".to_owned())), "{words:?}");
    assert_eq!(connect.graph.steps().len(), steps, "Meta was asked for a stranger");
    assert_eq!(connect.metric("connect_refused_total{reason=\"media\"}").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_file_names_the_reason_in_one_word() {
    let long = "9".repeat(65);
    let connect = with_files(&[("9001", MediaFile::default())]).await;
    let cases = [
        (None, "9777", (404, "unknown")),
        (None, "..%2F..%2Fme", (404, "unknown")),
        (None, long.as_str(), (404, "unknown")),
        (Some(("resolve", Fault::Trouble)), "9001", (502, "unavailable")),
        (Some(("resolve", Fault::Throttled)), "9001", (503, "throttled")),
        (Some(("resolve", Fault::Permission)), "9001", (424, "permission_missing")),
        (Some(("download", Fault::Trouble)), "9001", (502, "unavailable")),
        (Some(("resolve", Fault::Token)), "9001", (424, "reconnect_needed")),
    ];

    for (fault, file, (status, expected)) in cases {
        if let Some((step, fault)) = fault {
            connect.graph.fault(step, Some(fault));
        }
        assert_eq!(
            word(fetch(&connect, &path(file), &[]).await).await,
            (status, expected.to_owned()),
            "{fault:?} {file}"
        );
        if let Some((step, _)) = fault {
            connect.graph.fault(step, None);
        }
    }

    let record = connect.store.get(&Address::new(format!("whatsapp:{NUMBER}"))).await.unwrap().unwrap();
    assert_eq!(record.state, ChannelState::ReconnectNeeded, "Meta refused the token");
    let instagram = word(fetch(&connect, &path("9001").replace("whatsapp", "instagram"), &[]).await).await;
    assert_eq!(instagram.0, 401, "no such channel");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_fetched_from_metas_hosts_only() {
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/file", stranger.local_addr().unwrap());
    let files = [
        ("9001", MediaFile { url: Some(url.clone()), ..MediaFile::default() }),
        ("9002", MediaFile { redirect: Some(url), ..MediaFile::default() }),
        (
            "9003",
            MediaFile { url: Some("https://lookaside.fbsbx.com.evil.example/f".to_owned()), ..MediaFile::default() },
        ),
        ("9004", MediaFile { url: Some("http://lookaside.fbsbx.com/f".to_owned()), ..MediaFile::default() }),
    ];
    let connect = with_files(&files).await;

    for file in ["9001", "9002", "9003", "9004"] {
        assert_eq!(word(fetch(&connect, &path(file), &[]).await).await, (502, "unusable".to_owned()), "{file}");
    }

    let nobody =
        std::future::poll_fn(|context| std::task::Poll::Ready(stranger.poll_accept(context).is_pending())).await;
    assert!(nobody, "a host that is not Meta's was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_differs_from_what_meta_announced_never_arrives_complete() {
    let files = [
        ("9001", MediaFile { is_altered: true, ..MediaFile::default() }),
        ("9002", MediaFile { announced: Some(100_001), ..MediaFile::default() }),
    ];
    let connect = with_files(&files).await;

    let altered = fetch(&connect, &path("9001"), &[]).await;
    let altered = altered.into_body().collect().await;
    let short = word(fetch(&connect, &path("9002"), &[]).await).await;

    assert!(altered.is_err(), "a file with another hash arrived as if it were right");
    assert_eq!(short, (502, "unusable".to_owned()));
    eventually("both are counted", async || {
        (connect.metric("connect_media_total{outcome=\"broken\"}").await == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_100_mb_passes_through_in_constant_memory() {
    const BYTES: usize = 100_000_000;
    let connect = with_files(&[("9001", MediaFile { bytes: BYTES, ..MediaFile::default() })]).await;
    let before = connect.peak_memory();

    let mut body = fetch(&connect, &path("9001"), &[]).await.into_body();
    let mut bytes = 0;
    let mut hash = Sha256::new();
    while let Some(frame) = body.frame().await {
        let piece = frame.expect("the connection holds").into_data().expect("data");
        bytes += piece.len();
        hash.update(&piece);
    }

    let grown = connect.peak_memory().saturating_sub(before);
    println!("100 MB: connect's peak memory grew by {} KiB", grown >> 10);
    assert_eq!(bytes, BYTES);
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
    assert_eq!(connect.metric("connect_media_bytes_total").await, BYTES as u64);
}
