//! The client against real sockets: names with several addresses, and connections that fall silent.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use futures_util::future::join_all;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;
use crate::Shutdown;

fn resolver(allows: fn(IpAddr) -> bool) -> CheckedResolver {
    CheckedResolver { resolver: GaiResolver::new(), allows }
}

#[tokio::test]
async fn a_name_that_has_only_refused_addresses_does_not_resolve() {
    let refused = resolver(|address| !address.is_loopback()).call("localhost".parse().unwrap()).await;

    let error = refused.err().map(|error| error.to_string());
    assert_eq!(error, Some(AddressRefused.to_string()));
}

#[tokio::test]
async fn a_name_that_has_an_allowed_address_resolves_to_it() {
    let addresses = resolver(|address| address.is_loopback()).call("localhost".parse().unwrap()).await.unwrap();

    assert!(addresses.into_iter().all(|address| address.ip().is_loopback()));
}

/// Leads to a server. Once it is told to, it lets nothing through on the connections that are open then, without closing
/// them; those that come later work.
struct Link {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    /// How many connections, counted from the first, are silent.
    silent: watch::Sender<usize>,
}

impl Link {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let silent = watch::Sender::new(0);
        let link = Self { address, accepted: Arc::clone(&accepted), silent: silent.clone() };
        let tasks = Shutdown::default();
        tasks.clone().spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let number = accepted.fetch_add(1, Ordering::SeqCst) + 1;
                let mut silent = silent.subscribe();
                tasks.spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let falls_silent = async { silent.wait_for(|silent| number <= *silent).await.map(drop) };
                    let is_over = tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => true,
                        _ = falls_silent => false,
                    };
                    if !is_over {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        link
    }

    fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn silence_what_is_open(&self) {
        self.silent.send_replace(self.connections());
    }
}

/// Answers every request, over HTTP/1.1 and over HTTP/2 without TLS.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route(
        "/",
        get(async || {
            // Long enough that requests that are made together need a connection each.
            Shutdown::default().pause(Duration::from_millis(100)).await;
        }),
    );
    Shutdown::default().spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// What becomes of one request within a second.
async fn ask<C: Connect + Clone + Send + Sync + 'static>(pools: &Pools<C>, url: &str) -> Result<(), &'static str> {
    let request = Request::get(url).body(Full::default()).unwrap();
    match timeout(Duration::from_secs(1), pools.current().request(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err("it failed"),
        Err(_) => Err("it took too long"),
    }
}

#[tokio::test]
async fn a_silent_http2_connection_is_replaced_within_seconds() {
    let link = Link::to(server().await).await;
    let url = format!("http://{}/", link.address);
    let mut only_http2 = builder();
    only_http2.http2_only(true);
    let pools = Pools::new(only_http2, tcp(GaiResolver::new()));
    assert_eq!([ask(&pools, &url).await, ask(&pools, &url).await], [Ok(()); 2]);
    assert_eq!(link.connections(), 1, "all requests share it");

    link.silence_what_is_open();
    assert!(ask(&pools, &url).await.is_err(), "it is silent");
    let silent_since = Instant::now();
    while ask(&pools, &url).await.is_err() {
        assert!(silent_since.elapsed() < Duration::from_secs(20), "every request uses the dead connection");
    }

    assert_eq!(link.connections(), 2);
    println!("a silent HTTP/2 connection was replaced after {:?}", silent_since.elapsed());
}

#[tokio::test]
async fn silent_http1_connections_cost_one_request_and_not_one_each() {
    let link = Link::to(server().await).await;
    let url = format!("http://{}/", link.address);
    let pools = Pools::new(builder(), tcp(GaiResolver::new()));
    let answers = join_all((0..20).map(|_| ask(&pools, &url))).await;
    assert!(answers.iter().all(Result::is_ok) && link.connections() == 20, "{} are idle", link.connections());

    link.silence_what_is_open();
    assert!(ask(&pools, &url).await.is_err(), "it is silent");
    pools.distrust_idle();

    assert_eq!([ask(&pools, &url).await, ask(&pools, &url).await], [Ok(()); 2]);
}

/// A name with two addresses.
#[derive(Clone)]
struct TwoAddresses([SocketAddr; 2]);

impl Service<Name> for TwoAddresses {
    type Response = std::array::IntoIter<SocketAddr, 2>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(self.0.into_iter()))
    }
}

#[tokio::test]
async fn an_address_that_swallows_packets_does_not_hide_one_that_works() {
    let works = server().await;
    // Its backlog holds one connection, and nobody accepts it: further requests for a connection get no answer.
    let swallows = TcpSocket::new_v4().unwrap();
    swallows.bind(SocketAddr::from(([127, 0, 0, 2], works.port()))).unwrap();
    let swallows = swallows.listen(0).unwrap();
    let first = swallows.local_addr().unwrap();
    let _fills_the_backlog = TcpStream::connect(first).await.unwrap();
    let one_more = timeout(Duration::from_millis(300), TcpStream::connect(first)).await;
    assert!(one_more.is_err(), "the first address swallows packets");
    let pools = Pools::new(builder(), tcp(TwoAddresses([first, works])));

    let started = Instant::now();
    let request = Request::get(format!("http://dsk.example:{}/", works.port())).body(Full::default()).unwrap();
    let answer = timeout(CONNECT_TIME + Duration::from_secs(1), pools.current().request(request)).await;

    assert!(answer.unwrap().is_ok());
    assert!(started.elapsed() < CONNECT_TIME, "{:?}", started.elapsed());
}
