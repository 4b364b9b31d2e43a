//! The HTTPS client of every process. It pools connections, follows no redirects, and checks each address that a name
//! resolves to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::Request;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Builder, Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use crate::Problem;

/// Longest wait for a TCP connection. The caller bounds the whole request, including TLS and the answer.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Shorter than the 60 s after which common proxies close an idle connection.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// Idle connections that are kept for the next request to a host. The two windows of a dispatcher together are 256.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// How long an HTTP/2 connection may be silent before it is asked for a sign of life, also while nobody uses it: all
/// requests to a host share it, so a dead one would fail all of them.
const PING_AFTER: Duration = Duration::from_secs(5);
/// How long the sign of life may take; then the connection is closed, and the next request makes another.
const PONG_TIME: Duration = Duration::from_secs(3);
/// How long the other side may leave sent bytes unacknowledged, on every connection of ours. Shorter than an attempt.
pub const UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(8);
/// After this long without traffic, and then as often, the other side has to acknowledge that the connection exists.
pub const KEEP_ALIVE_TIME: Duration = Duration::from_secs(5);
/// So many times without an answer, and the connection is closed.
pub const KEEP_ALIVE_TRIES: u32 = 2;
/// Pools are replaced at most this often: one host that is slow must not cost the others all of their connections.
const DISTRUST_PERIOD: Duration = Duration::from_secs(5);

type Connector = HttpsConnector<HttpConnector<CheckedResolver>>;
type Pool<C> = Client<C, Full<Bytes>>;

/// The client. A clone shares its connections.
#[derive(Clone, Debug)]
pub struct HttpsClient(Arc<Pools<Connector>>);

/// The pool of connections that requests use now, and what makes the next one.
#[derive(Debug)]
struct Pools<C> {
    builder: Builder,
    connector: C,
    current: Mutex<CurrentPool<C>>,
}

#[derive(Debug)]
struct CurrentPool<C> {
    pool: Pool<C>,
    replaced_at: Option<Instant>,
}

impl HttpsClient {
    /// Sends a request, over a connection that is idle if there is one.
    pub fn request(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        self.0.current().request(request)
    }

    /// Drops the connections that are idle, because a request got no answer in time: an HTTP/1.1 connection may have
    /// died in silence, and others together with it. Requests under way go on.
    pub fn distrust_idle(&self) {
        self.0.distrust_idle();
    }
}

impl<C: Connect + Clone + Send + Sync + 'static> Pools<C> {
    fn new(builder: Builder, connector: C) -> Self {
        let current = CurrentPool { pool: builder.build(connector.clone()), replaced_at: None };
        Self { builder, connector, current: Mutex::new(current) }
    }

    fn current(&self) -> Pool<C> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).pool.clone()
    }

    fn distrust_idle(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.replaced_at.is_none_or(|at| at.elapsed() >= DISTRUST_PERIOD) {
            let replaced_at = Some(Instant::now());
            *current = CurrentPool { pool: self.builder.build(self.connector.clone()), replaced_at };
        }
    }
}

/// Makes a client that connects only to those addresses of a name that `allows` accepts.
///
/// The caller checks the URL: the client accepts `http`, and does not check an address that stands in the URL instead of
/// a name.
pub fn https_client(allows: fn(IpAddr) -> bool) -> Result<HttpsClient, Problem> {
    let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
        Problem::new("TLS", format!("has no certificate authorities ({error})"), "install the package ca-certificates")
    })?;
    let tcp = tcp(CheckedResolver { resolver: GaiResolver::new(), allows });
    let connector = tls.https_or_http().enable_http1().enable_http2().wrap_connector(tcp);
    Ok(HttpsClient(Arc::new(Pools::new(builder(), connector))))
}

/// Makes TCP connections. A name's addresses are tried in turn, each for its part of the time, so that one that swallows
/// packets does not hide one that works.
fn tcp<R>(resolver: R) -> HttpConnector<R> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.set_connect_timeout(Some(CONNECT_TIME));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIME));
    tcp.set_keepalive(Some(KEEP_ALIVE_TIME));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE_TIME));
    tcp.set_keepalive_retries(Some(KEEP_ALIVE_TRIES));
    tcp
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PONG_TIME)
        .http2_keep_alive_while_idle(true);
    builder
}

/// A name resolves only to addresses that this client may not connect to.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name resolves to no address that may be connected to")]
pub struct AddressRefused;

/// Resolves the name for each connection and keeps only the allowed addresses. The client connects to the addresses that
/// were checked, so a name that changes between check and connection gains nothing.
#[derive(Clone, Debug)]
pub struct CheckedResolver {
    resolver: GaiResolver,
    allows: fn(IpAddr) -> bool,
}

impl Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.resolver.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolved = self.resolver.call(name);
        let allows = self.allows;
        Box::pin(async move {
            let allowed: Vec<_> = resolved.await?.filter(|address| allows(address.ip())).collect();
            if allowed.is_empty() { Err(io::Error::other(AddressRefused)) } else { Ok(allowed.into_iter()) }
        })
    }
}

#[cfg(test)]
mod tests;
