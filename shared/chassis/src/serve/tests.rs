//! Clients that are silent, slow or many, over real sockets.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::routing::{get, post};
use futures_util::stream::repeat_with;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::*;

const LIMITS: ServeLimits = ServeLimits {
    header_read: Duration::from_millis(500),
    body_read: Duration::from_millis(800),
    connections_max: 8,
    client_connections_max: 6,
    grace: Duration::from_secs(1),
};
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
/// The preface of HTTP/2 and an empty SETTINGS frame.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingpong";

/// Listens with these limits until the test ends.
async fn start(limits: ServeLimits) -> SocketAddr {
    let endless = || async { axum::body::Body::from_stream(repeat_with(|| Ok::<_, Infallible>(vec![b'.'; 1 << 20]))) };
    let router = Router::new()
        .route("/", get(|| async { "here\n" }))
        .route("/body", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/never", get(std::future::pending::<()>))
        .route("/endless", get(endless));
    start_with(router, limits).await
}

async fn start_with(router: Router, limits: ServeLimits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::default();
    shutdown.spawn(serve(listener, router, limits, "127.0.0.3".parse().unwrap(), shutdown.clone()));
    address
}

/// A connection from this address of the machine, on which these bytes were sent.
async fn connect(address: SocketAddr, from: &str, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads until the connection ends, or fails after 5 s.
async fn end_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("the connection ends").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn is_answered(address: SocketAddr, from: &str) -> bool {
    end_of(connect(address, from, REQUEST).await).await.ends_with("here\n")
}

#[tokio::test]
async fn a_connection_on_which_no_request_comes_is_closed_in_time() {
    let address = start(LIMITS).await;
    for bytes in [b"".as_slice(), b"G", b"GET / HTTP/1.1\r\nhost: te", HTTP_2] {
        let started = Instant::now();
        end_of(connect(address, "127.0.0.1", bytes).await).await;
        let took = started.elapsed();
        assert!(took >= LIMITS.header_read && took < LIMITS.header_read + 2 * LINGER, "{bytes:?} took {took:?}");
    }
}

#[tokio::test]
async fn pings_of_http_2_do_not_keep_a_connection() {
    let address = start(LIMITS).await;
    let started = Instant::now();
    let mut stream = connect(address, "127.0.0.1", HTTP_2).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut read = [0; 1024];
    loop {
        tokio::select! {
            _ = ticks.tick() => if stream.write_all(PING).await.is_err() { break },
            got = stream.read(&mut read) => if got.unwrap_or(0) == 0 { break },
        }
        assert!(started.elapsed() < LIMITS.header_read + 2 * LINGER, "it is still open");
    }
}

#[tokio::test]
async fn headers_that_do_not_end_are_refused_before_they_fill_the_memory() {
    let address = start(LIMITS).await;
    let mut headers = b"GET / HTTP/1.1\r\nhost: test\r\nx: ".to_vec();
    headers.resize(HEADER_BYTES_MAX, b'x');

    let answer = end_of(connect(address, "127.0.0.1", &headers).await).await;

    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_trickles_in_is_answered_408() {
    let address = start(LIMITS).await;
    let mut stream =
        connect(address, "127.0.0.1", b"POST /body HTTP/1.1\r\nhost: t\r\ncontent-length: 99\r\n\r\n").await;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut read = vec![0; 1024];
    let length = loop {
        tokio::select! {
            _ = ticks.tick() => stream.write_all(b".").await.unwrap(),
            got = stream.read(&mut read) => break got.unwrap(),
        }
    };
    assert!(read[..length].starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&read[..length]));
}

#[tokio::test]
async fn connections_that_say_nothing_make_room_for_those_that_ask() {
    let address = start(ServeLimits { header_read: Duration::from_mins(1), ..LIMITS }).await;
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(connect(address, "127.0.0.3", b"G").await);
    }
    assert!(is_answered(address, "127.0.0.4").await);
    // The oldest were closed, the youngest are open.
    end_of(silent.remove(0)).await;
    let mut youngest = silent.pop().unwrap();
    youngest.write_all(&REQUEST[1..]).await.unwrap();
    assert!(end_of(youngest).await.ends_with("here\n"));
}

#[tokio::test]
async fn one_client_has_a_bound_and_a_trusted_proxy_has_none() {
    let limits = ServeLimits { header_read: Duration::from_mins(1), ..LIMITS };
    let never = b"GET /never HTTP/1.1\r\nhost: t\r\n\r\n";
    for (from, is_bound) in [("127.0.0.2", true), ("127.0.0.3", false)] {
        let address = start(limits).await;
        let mut waiting = Vec::new();
        for _ in 0..limits.client_connections_max {
            waiting.push(connect(address, from, never).await);
        }
        assert!(is_answered(address, "127.0.0.4").await, "others have room");
        // All of its connections wait for us, so none of them makes room.
        assert_eq!(is_answered(address, from).await, !is_bound, "{from}");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_an_answer_is_cut_off() {
    let address = start(LIMITS).await;
    let mut stream = connect(address, "127.0.0.1", b"GET /endless HTTP/1.1\r\nhost: t\r\n\r\n").await;
    let started = Instant::now();
    let limit = answer::PIECE_TIME + LIMITS.header_read + 2 * LINGER;
    // Reading would let the answer go on, so the end shows when something is sent.
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while stream.write_all(b".").await.is_ok() {
        ticks.tick().await;
        assert!(started.elapsed() < limit + LINGER, "it is still open");
    }
    assert!(started.elapsed() >= answer::PIECE_TIME);
}

#[tokio::test]
async fn a_stream_of_http_2_whose_client_gives_no_window_is_cut_off() {
    let (held, let_go) = tokio::sync::oneshot::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(Some(held)));
    let pieces = move || {
        let held = held.lock().unwrap().take();
        repeat_with(move || Ok::<_, Infallible>(vec![u8::from(held.is_some()); 1 << 20]))
    };
    let answer = move || std::future::ready(axum::body::Body::from_stream(pieces()));
    let router = Router::new().route("/", get(answer));
    let address = start_with(router, LIMITS).await;
    let stream = connect(address, "127.0.0.1", b"").await;
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let client = builder.initial_stream_window_size(1).handshake::<_, axum::body::Body>(TokioIo::new(stream));
    let (mut sender, connection) = client.await.unwrap();
    let client = Shutdown::default();
    client.spawn(async move { connection.await.map_or((), drop) });
    let request = hyper::Request::get(format!("http://{address}/")).body(axum::body::Body::empty()).unwrap();

    let answer = sender.send_request(request).await.unwrap();

    timeout(answer::PIECE_TIME + 2 * LINGER, let_go).await.expect("the answer lets go of its source").unwrap_err();
    drop(answer);
}
