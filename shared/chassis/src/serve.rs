//! Serves HTTP/1.1 and cleartext HTTP/2 on one listener, with bounds so that slow or silent clients cannot occupy it.

mod answer;
mod arriving;
mod connections;
mod limits;
#[cfg(test)]
mod tests;
mod turns;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::{Shutdown, TrustedProxies};
use answer::Answering;
use connections::{Connections, Place};
pub use limits::ServeLimits;

/// The pause after a connection could not be accepted. Mostly too many files are open, and some get closed meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection without a request may take to end in good order.
const LINGER: Duration = Duration::from_secs(1);
/// Most requests at once on one HTTP/2 connection. Further ones wait.
const STREAMS_MAX: u32 = 256;
/// Most bytes of a request's headers, and of its body that are read ahead. A thousand connections whose headers do not end
/// take 64 MiB then; hyper itself would let them take 400. (Of HTTP/2, hyper bounds the headers by 16 KiB.)
const HEADER_BYTES_MAX: usize = 64 << 10;

/// What all connections of a listener share.
struct Listener {
    builder: Builder<TokioExecutor>,
    router: Router,
    limits: ServeLimits,
    shutdown: Shutdown,
}

/// Serves until a stop is requested, then lets the requests under way finish. Each request has its peer as a
/// `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    trusted_proxies: TrustedProxies,
    shutdown: Shutdown,
) {
    let shared = Arc::new(Listener { builder: builder(limits), router, limits, shutdown: shutdown.clone() });
    let connections = Connections::new(limits, trusted_proxies);
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.requested() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Where there is no place, dropping the stream closes it.
                let Some(place) = connections.admit(peer.ip()) else { continue };
                stream.set_nodelay(true).ok();
                shutdown.spawn_connection(tasks.track_future(Arc::clone(&shared).run(stream, peer, place)));
            }
            Err(error) => {
                warn!(%error, "Could not accept a connection: {error}");
                connections.make_room();
                shutdown.pause(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

impl Listener {
    /// Serves one connection until it ends, waits too long for its client, makes room for another, or the process stops.
    async fn run(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        let turns = place.turns();
        let service = service_fn(|request| {
            let turns = Arc::clone(turns);
            let shutdown = self.shutdown.clone();
            Answering { router: self.router.clone(), limits: self.limits, peer, turns, shutdown }.answer(request)
        });
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let time = tokio::select! {
            ended = connection.as_mut() => return log_end(ended),
            () = turns.evicted() => return,
            () = turns.idle_for(self.limits.header_read) => LINGER,
            () = self.shutdown.requested() => self.limits.grace,
        };
        connection.as_mut().graceful_shutdown();
        match timeout(time, connection).await {
            Ok(ended) => log_end(ended),
            Err(_) if self.shutdown.is_requested() => warn!("A connection was still open when the grace ran out"),
            Err(_) => debug!("Closed a connection on which no request came"),
        }
    }
}

fn log_end<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(error) = ended {
        debug!(%error, "A connection ended with an error: {error}");
    }
}

fn builder(limits: ServeLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(limits.header_read)
        .keep_alive_timeout(limits.header_read);
    builder
}
