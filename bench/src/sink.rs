//! A destination that answers 204 as cheaply as possible, counts, tells the age of what it gets, and can be away.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::notifications;
use crate::rig;
use crate::times::Times;

/// The destination.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    delivered: AtomicUsize,
    is_away: AtomicBool,
    answer_time: Duration,
    times: Option<Arc<Times>>,
    arrivals: Mutex<Vec<Arrival>>,
}

/// One event at the sink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) age: Duration,
}

impl Sink {
    /// Starts one that takes so long to answer.
    pub(crate) async fn start(answer_time: Duration) -> Self {
        Self::serve(Inner { answer_time, ..Inner::default() }).await
    }

    /// Starts one that notes the age of each event.
    pub(crate) async fn with_times(times: Arc<Times>) -> Self {
        Self::serve(Inner { times: Some(times), ..Inner::default() }).await
    }

    async fn serve(inner: Inner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let sink = Self { address, inner: Arc::new(inner) };
        let serving = sink.clone();
        rig::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.clone().serve_one(stream);
            }
        });
        sink
    }

    fn serve_one(self, stream: TcpStream) {
        stream.set_nodelay(true).ok();
        let serve = service_fn(move |request| {
            let sink = self.clone();
            async move { sink.answer(request).await }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
        rig::spawn(async move { connection.await.unwrap_or_default() });
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let mut response = Response::new(Empty::new());
        if self.inner.is_away.load(Ordering::Relaxed) {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return Ok(response);
        }
        if !self.inner.answer_time.is_zero() {
            tokio::time::sleep_until((Instant::now() + self.inner.answer_time).into()).await;
        }
        if let Some(times) = &self.inner.times
            && let Some(age) = notifications::serial(&body).and_then(|serial| times.age(serial))
        {
            self.arrivals().push(Arrival { at: Instant::now(), age });
        }
        self.inner.delivered.fetch_add(1, Ordering::Relaxed);
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// From now on refuses everything, or no longer.
    pub(crate) fn be_away(&self, is_away: bool) {
        self.inner.is_away.store(is_away, Ordering::Relaxed);
    }

    /// How many events were taken.
    pub(crate) fn delivered(&self) -> usize {
        self.inner.delivered.load(Ordering::Relaxed)
    }

    /// What has come since this was asked last.
    pub(crate) fn take_arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.arrivals())
    }

    fn arrivals(&self) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
        self.inner.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
