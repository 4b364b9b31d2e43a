//! Clients that are slow, that ask too often or that write into our logs harm nobody but themselves.

use std::time::Duration;

use event::Address;
use ops::graph::NUMBER;
use testkit::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::data_rights::signed_request;
use super::media::{MediaFile, path, with_files};
use crate::support::browser::Browser;
use crate::support::connect_stack::{API_KEY, ConnectStack};
use crate::support::dsk::DSK_TOKEN;
use crate::support::stack::raw;

/// Asks for a file and reads no more than the status.
async fn status_of(connect: &ConnectStack, file: &str) -> (u16, TcpStream) {
    let mut connection = TcpStream::connect(&connect.address).await.expect("it listens");
    let path = path(file);
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {DSK_TOKEN}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.expect("it is open");
    let mut head = [0; 12];
    connection.read_exact(&mut head).await.expect("it answers");
    let status = String::from_utf8_lossy(&head[9..]).parse().expect("a status");
    (status, connection)
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_read_nothing_hold_a_part_of_the_places_and_not_for_long() {
    let large = MediaFile { bytes: 100_000_000, ..MediaFile::default() };
    let connect = with_files(&[("9001", large), ("9002", MediaFile::default())]).await;
    let address = Address::new(format!("whatsapp:{NUMBER}")).to_string();

    let mut readers = Vec::new();
    for _ in 0..64 {
        readers.push(status_of(&connect, "9001").await);
    }
    let served = readers.iter().filter(|(status, _)| *status == 200).count();
    let own = status_of(&connect, "9002").await.0;
    connect.set(&address, "tenant", "another").await;
    let others = status_of(&connect, "9002").await.0;
    connect.set(&address, "tenant", "acme").await;

    assert_eq!((served, own, others), (16, 503, 200));
    eventually("the places are free again", async || (status_of(&connect, "9002").await.0 == 200).then_some(())).await;
    drop(readers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_trickles_in_is_answered_408() {
    let connect = ConnectStack::start().await;
    let mut connection = TcpStream::connect(&connect.address).await.expect("it listens");
    let head = "POST /meta/deletion HTTP/1.1\r\nhost: test\r\ncontent-length: 9000\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\n";
    connection.write_all(head.as_bytes()).await.expect("it is open");

    let answer = eventually("it is answered", async || {
        connection.write_all(b"a").await.ok();
        let mut read = [0; 12];
        let look = tokio::time::timeout(Duration::from_secs(1), connection.read_exact(&mut read)).await;
        look.ok().map(|_| String::from_utf8_lossy(&read).into_owned())
    })
    .await;

    assert_eq!(answer, "HTTP/1.1 408");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_of_a_stranger_is_not_read_for_a_ticket_and_only_a_short_one_for_a_callback() {
    let connect = ConnectStack::start().await;
    let head = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer stolen\r\ncontent-length: {length}\r\ncontent-type: \
             application/x-www-form-urlencoded\r\nconnection: close\r\n\r\n"
        )
    };

    // Nothing of the body comes; an answer to a body that was waited for would be 408.
    let ticket = raw(&connect.address, head("/api/tickets", 60_000).as_bytes()).await.0;
    // No more than what is read before the refusal, so that the connection ends in good order.
    let long = format!("{}{}", head("/meta/deletion", 40_000), "a".repeat(16_500));
    let callback = raw(&connect.address, long.as_bytes()).await.0;

    assert_eq!([ticket, callback], [401, 413]);
}

#[tokio::test(flavor = "multi_thread")]
async fn meta_and_dsk_are_heard_from_an_address_that_asks_too_often() {
    let connect = ConnectStack::start().await;
    let ask_as_nobody = async || Browser::new(&connect.address).post("/connect/guessed", &[]).await.status;
    eventually("the address is limited", async || (ask_as_nobody().await == 429).then_some(())).await;

    let signed = signed_request("122100000000999", ops::graph::APP.1);
    let ticket = r#"{"tenant":"acme","dsk_token":"dsk-token"}"#;
    for _ in 0..70 {
        let deletion = Browser::new(&connect.address).post("/meta/deletion", &[("signed_request", &signed)]).await;
        assert_eq!(deletion.status, 200, "Meta is locked out");
        assert_eq!(connect.api(API_KEY, ticket).await.0, 201, "DSK is locked out");
    }

    let forged = signed_request("122100000000999", "another secret");
    let forged = Browser::new(&connect.address).post("/meta/deletion", &[("signed_request", &forged)]).await;
    assert_eq!(forged.status, 429, "a forged callback is not limited");
    assert_eq!(connect.api("stolen", ticket).await.0, 429, "a wrong key is not limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_cannot_write_a_line_into_the_log() {
    let connect = ConnectStack::start().await;
    // A longer path is refused before we see it.
    let filler = "A".repeat(60_000);
    for channel in ["1%0A2026-11-28T00:00:00Z%20INFO%20connect:%20forged%1B%5B31m", &filler] {
        for header in ["", "authorization: Bearer stolen\r\n"] {
            let request = format!(
                "GET /media/whatsapp/{channel}/9001 HTTP/1.1\r\nhost: test\r\n{header}connection: close\r\n\r\n"
            );
            assert_eq!(raw(&connect.address, request.as_bytes()).await.0, 401);
        }
    }

    let logged = connect.logged_with("Refused a request for a file", 4).await;
    assert!(!logged.contains("forged") && !logged.contains('\u{1b}'), "{logged}");
    assert!(logged.len() < 10_000, "{} bytes were logged", logged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_out_tokens_is_limited_and_the_right_token_is_served_all_the_same() {
    let connect = with_files(&[("9001", MediaFile::default())]).await;
    let ask = async |token: &str| {
        let path = path("9001");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
        raw(&connect.address, request.as_bytes()).await
    };

    let mut tried = 0;
    let limited = eventually("the address is limited", async || {
        tried += 1;
        let answer = ask("stolen").await;
        (answer.0 == 429).then_some(answer)
    })
    .await;

    // The browser that connected the channel comes from the same address.
    assert!(tried > 50, "limited after {tried} tokens");
    assert!(limited.1.contains(r#""error":"too_many_attempts""#), "{limited:?}");
    assert_eq!(status_of(&connect, "9001").await.0, 200, "DSK is locked out");
}
