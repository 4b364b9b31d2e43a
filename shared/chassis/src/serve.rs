//! Serves HTTP/1.1 and cleartext HTTP/2 on one listener, with bounds so that slow clients cannot occupy it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::Shutdown;

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Longest wait for the headers of a request. An idle HTTP/1 connection is closed after the same time.
    pub header_read: Duration,
    /// Most connections at once. Further ones wait in the backlog of the listener.
    pub connections_max: usize,
    /// How long the requests under way may take after a stop.
    pub grace: Duration,
}

/// The pause after a connection could not be accepted. Mostly too many files are open, and some get closed meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most requests at once on one HTTP/2 connection. Further ones wait.
const STREAMS_MAX: u32 = 256;

/// A connection that was accepted.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    /// Makes room for another connection when it is dropped.
    permit: OwnedSemaphorePermit,
}

/// Serves until a stop is requested, then lets the requests under way finish. Each request has its peer as a
/// `ConnectInfo<SocketAddr>`.
pub async fn serve(listener: TcpListener, router: Router, limits: ServeLimits, shutdown: Shutdown) {
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(limits));
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = shutdown.requested() => break,
        };
        let Connection { stream, peer, permit } = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                warn!(%error, "Could not accept a connection: {error}");
                shutdown.pause(ACCEPT_PAUSE).await;
                continue;
            }
        };
        stream.set_nodelay(true).ok();
        let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(peer))));
        let requests = graceful.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        shutdown.spawn_connection(async move {
            if let Err(error) = requests.await {
                debug!(%error, "A connection ended with an error: {error}");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        warn!("Connections were still open when the grace ran out");
    }
}

/// Waits until there is room for a connection, then for the connection.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> std::io::Result<Connection> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok(Connection { stream, peer, permit })
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
