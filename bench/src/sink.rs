//! A destination that answers 204 to every request, as cheaply as possible.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::rig;

/// The destination, which counts its requests.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        rig::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).ok();
                let counter = Arc::clone(&counter);
                let serve = service_fn(move |request| answer(request, Arc::clone(&counter)));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
                rig::spawn(async move { connection.await.unwrap_or_default() });
            }
        });
        Self { address, requests }
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn answer(request: Request<Incoming>, counter: Arc<AtomicUsize>) -> Result<Response<Empty<Bytes>>, Infallible> {
    request.into_body().collect().await.ok();
    counter.fetch_add(1, Ordering::Relaxed);
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
