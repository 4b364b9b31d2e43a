//! Files for DSK: passed on from Meta as they come, to who has the channel's own DSK token, and only from Meta's hosts.

use channels::ChannelState;
use event::Address;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
pub(crate) use ops::graph::media::{MediaFile, content};
use ops::graph::{Fault, NUMBER};
use sha2::{Digest as _, Sha256};

use crate::support::connect_stack::Desk;
use crate::support::stack::DSK_TOKEN;

/// A desk with a connected number, and these files at Meta.
pub(crate) async fn with_files(files: &[(&str, MediaFile)]) -> Desk {
    let desk = Desk::start().await;
    let mut browser = desk.begin("acme").await;
    desk.sign_up(&mut browser).await;
    desk.graph.behave(|graph| graph.files = files.iter().map(|(id, file)| ((*id).to_owned(), file.clone())).collect());
    desk
}

pub(crate) fn path(file: &str) -> String {
    format!("/media/whatsapp/{NUMBER}/{file}")
}

/// What DSK is answered, before the body.
async fn ask(desk: &Desk, path: &str, headers: &[(&str, &str)]) -> Response<hyper::body::Incoming> {
    let mut request = Request::builder().method(Method::GET).uri(format!("http://{}{path}", desk.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    client.request(request.body(Full::default()).expect("a request")).await.expect("it answers")
}

/// The same with the channel's token.
async fn fetch(desk: &Desk, path: &str, headers: &[(&str, &str)]) -> Response<hyper::body::Incoming> {
    let bearer = format!("Bearer {DSK_TOKEN}");
    ask(desk, path, &[&[("authorization", bearer.as_str())], headers].concat()).await
}

async fn word(answer: Response<hyper::body::Incoming>) -> (u16, String) {
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
async fn dsk_gets_a_file_or_a_range_of_it_with_its_own_token_and_never_sees_that_of_meta() {
    let files = [("9001", MediaFile::default()), ("9002", MediaFile { in_base64: true, ..MediaFile::default() })];
    let desk = with_files(&files).await;

    let whole = fetch(&desk, &path("9001"), &[]).await;
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(
        (whole.status(), &whole.headers()["content-type"]),
        (StatusCode::OK, &"application/pdf".parse().unwrap())
    );
    assert_eq!(whole.headers()["content-length"], "100000");
    assert!(!format!("{:?}", whole.headers()).contains("business-token"));
    assert!(whole.into_body().collect().await.unwrap().to_bytes() == content(0, 100_000));
    let other = fetch(&desk, &path("9002"), &[]).await;
    assert!(other.into_body().collect().await.unwrap().to_bytes() == content(0, 100_000));
    let rest = fetch(&desk, &path("9001"), &[("range", "bytes=99000-"), ("if-range", &tag)]).await;
    assert_eq!(
        (rest.status(), &rest.headers()["content-range"]),
        (StatusCode::PARTIAL_CONTENT, &"bytes 99000-99999/100000".parse().unwrap())
    );
    assert!(rest.into_body().collect().await.unwrap().to_bytes() == content(99_000, 100_000));
    let changed = fetch(&desk, &path("9001"), &[("range", "bytes=99000-"), ("if-range", "\"another\"")]).await;
    assert_eq!(changed.status(), StatusCode::OK, "another file's range is not continued");
    let beyond = fetch(&desk, &path("9001"), &[("range", "bytes=200000-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    assert!(!desk.said().contains("business-token") && !desk.said().contains(DSK_TOKEN));
    desk.is_content();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_channels_token_gets_nothing_and_is_counted() {
    let desk = with_files(&[("9001", MediaFile::default())]).await;
    let steps = desk.graph.steps().len();

    let mut words = Vec::new();
    words.push(word(ask(&desk, &path("9001"), &[]).await).await);
    words.push(word(ask(&desk, &path("9001"), &[("authorization", "Bearer stolen")]).await).await);
    words.push(word(fetch(&desk, "/media/whatsapp/100000000000777/9001", &[]).await).await);
    desk.store.remove(&Address::new(format!("whatsapp:{NUMBER}")), chassis::now()).await.unwrap();
    words.push(word(fetch(&desk, &path("9001"), &[]).await).await);

    assert!(words.iter().all(|word| *word == (401, "unauthorized".to_owned())), "{words:?}");
    assert_eq!(desk.graph.steps().len(), steps, "Meta was asked for a stranger");
    assert_eq!(desk.metric("connect_refused_total{what=\"media\"}").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_file_away_is_said_in_a_word() {
    let long = "9".repeat(65);
    let desk = with_files(&[("9001", MediaFile::default())]).await;
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
            desk.graph.fault(step, Some(fault));
        }
        assert_eq!(word(fetch(&desk, &path(file), &[]).await).await, (status, expected.to_owned()), "{fault:?} {file}");
        if let Some((step, _)) = fault {
            desk.graph.fault(step, None);
        }
    }

    let record = desk.store.get(&Address::new(format!("whatsapp:{NUMBER}"))).await.unwrap().unwrap();
    assert_eq!(record.state, ChannelState::ReconnectNeeded, "the token was the reason");
    let instagram = word(fetch(&desk, &path("9001").replace("whatsapp", "instagram"), &[]).await).await;
    assert_eq!(instagram.0, 401, "no such channel");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_meta_s_hosts_are_asked() {
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
    let desk = with_files(&files).await;

    for file in ["9001", "9002", "9003", "9004"] {
        assert_eq!(word(fetch(&desk, &path(file), &[]).await).await, (502, "unusable".to_owned()), "{file}");
    }

    let nobody =
        std::future::poll_fn(|context| std::task::Poll::Ready(stranger.poll_accept(context).is_pending())).await;
    assert!(nobody, "a strange host was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_meta_announced_never_ends_well() {
    let files = [
        ("9001", MediaFile { is_altered: true, ..MediaFile::default() }),
        ("9002", MediaFile { announced: Some(100_001), ..MediaFile::default() }),
    ];
    let desk = with_files(&files).await;

    let altered = fetch(&desk, &path("9001"), &[]).await;
    let altered = altered.into_body().collect().await;
    let short = word(fetch(&desk, &path("9002"), &[]).await).await;

    assert!(altered.is_err(), "a file with another hash came as if it were right");
    assert_eq!(short, (502, "unusable".to_owned()));
    assert_eq!(desk.metric("connect_media_total{outcome=\"broken\"}").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_100_mb_passes_through_with_flat_memory() {
    const BYTES: usize = 100_000_000;
    let desk = with_files(&[("9001", MediaFile { bytes: BYTES, ..MediaFile::default() })]).await;
    let before = desk.peak_memory();

    let mut body = fetch(&desk, &path("9001"), &[]).await.into_body();
    let (mut bytes, mut hash) = (0, Sha256::new());
    while let Some(frame) = body.frame().await {
        let piece = frame.expect("it comes whole").into_data().expect("data");
        bytes += piece.len();
        hash.update(&piece);
    }

    let grown = desk.peak_memory().saturating_sub(before);
    println!("100 MB: connect's peak memory grew by {} KiB", grown >> 10);
    assert_eq!(bytes, BYTES);
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
    assert_eq!(desk.metric("connect_media_bytes_total").await, BYTES as u64);
}
