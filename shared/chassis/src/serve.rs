//! HTTP/1.1 and HTTP/2 cleartext on one listener, with bounds that keep slow senders from holding it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::Shutdown;

/// Bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Longest wait for a request's headers; also how long an idle HTTP/1 connection may stay open.
    pub header_read: Duration,
    /// Most connections at once; further ones wait in the listener's backlog.
    pub connections_max: usize,
    /// How long open connections may finish after a stop.
    pub grace: Duration,
}

/// Accepting failed (too many open files, mostly): a short wait lets connections close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A client that opens more streams than this on one HTTP/2 connection waits.
const STREAMS_MAX: u32 = 256;

/// Serves until a stop is asked for, then lets requests under way finish. Each request knows its peer
/// (`ConnectInfo<SocketAddr>`).
pub async fn serve(listener: TcpListener, router: Router, limits: ServeLimits, shutdown: Shutdown) {
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(limits));
    let places = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let stream = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.requested() => break,
        };
        let (stream, peer, place) = match stream {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "Could not accept a connection: {error}");
                shutdown.pause(ACCEPT_PAUSE).await;
                continue;
            }
        };
        stream.set_nodelay(true).ok();
        let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(peer))));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        shutdown.spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "A connection ended with an error: {error}");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        warn!("Connections were still open when the grace ran out");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

fn builder(limits: ServeLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_read).keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(limits.header_read)
        .keep_alive_timeout(limits.header_read);
    builder
}
