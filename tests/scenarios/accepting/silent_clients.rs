//! Clients that connect and ask for nothing keep nobody out, neither from notifications nor from the probes.

use std::time::Duration;

use testkit::eventually_within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::bodies::text;
use crate::support::stack::{Stack, get};

/// The preface of HTTP/2 and an empty SETTINGS frame.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingpong";
/// Long enough for the 10 s that a client has, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens connections that say nothing, send one byte, or speak HTTP/2 and ask for nothing.
async fn silent(address: &str, count: usize) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for bytes in [b"".as_slice(), b"P", HTTP_2].into_iter().cycle().take(count) {
        let mut connection = TcpStream::connect(address).await.expect("it listens");
        connection.write_all(bytes).await.expect("it is open");
        connections.push(connection);
    }
    connections
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_out_neither_a_notification_nor_a_probe() {
    let mut stack = Stack::start().await;
    let address = stack.processes.ingest_address.to_string();
    let admin = stack.processes.ingest.logs("Admin port listens on ").await;

    let _to_ingest = silent(&address, 1_100).await;
    let _to_admin = silent(&admin, 100).await;

    let answered = tokio::time::timeout(Duration::from_secs(5), stack.processes.post(text(1))).await;
    assert_eq!(answered, Ok(200), "the notification was kept out");
    let live = tokio::time::timeout(Duration::from_secs(5), get(&admin, "/live")).await;
    assert_eq!(live.map(|(status, _)| status), Ok(200), "the probe was kept out");
    stack.processes.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_is_closed_even_if_it_pings() {
    let stack = Stack::start().await;
    let connections = silent(&stack.processes.ingest_address.to_string(), 3).await;

    for (mut connection, pings) in connections.into_iter().zip([false, false, true]) {
        eventually_within(PATIENCE, "the connection is closed", async || {
            let is_broken = pings && connection.write_all(PING).await.is_err();
            let mut read = [0; 1_024];
            let look = tokio::time::timeout(Duration::from_millis(20), connection.read(&mut read)).await;
            (is_broken || matches!(look, Ok(Ok(0) | Err(_)))).then_some(())
        })
        .await;
    }
}
