//! The HTTPS client of every process. It pools connections, follows no redirects, and checks each address that a name
//! resolves to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use crate::Problem;

/// Longest wait for a TCP connection. The caller bounds the whole request, including TLS and the answer.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Shorter than the 60 s after which common proxies close an idle connection.
const IDLE_TIME: Duration = Duration::from_secs(50);
/// Idle connections that are kept for the next request to a host. The two windows of a dispatcher together are 256.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// The client. A clone shares its connections.
pub type HttpsClient = Client<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>;

/// Makes a client that connects only to those addresses of a name that `allows` accepts.
///
/// The caller checks the URL: the client accepts `http`, and does not check an address that stands in the URL instead of
/// a name.
pub fn https_client(allows: fn(IpAddr) -> bool) -> Result<HttpsClient, Problem> {
    let mut tcp = HttpConnector::new_with_resolver(CheckedResolver { resolver: GaiResolver::new(), allows });
    tcp.set_connect_timeout(Some(CONNECT_TIME));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
        Problem::new("TLS", format!("has no certificate authorities ({error})"), "install the package ca-certificates")
    })?;
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build(tls.https_or_http().enable_http1().enable_http2().wrap_connector(tcp)))
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
mod tests {
    use super::*;

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
}
