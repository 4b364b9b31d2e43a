//! A stand-in for DSK: it checks the bearer token, the signature and the body of every request, and fails on demand. `ops
//! dsk`, the demonstration and the tests deliver to it.

mod behaviour;
mod record;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use chassis::{ServeLimits, Shutdown, TrustedProxies, dice};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use behaviour::Parts;
pub use behaviour::{Behaviour, Keeps};
pub use record::DskRequest;
use record::Record;

/// The stand-in.
#[derive(Clone, Debug)]
pub struct Dsk {
    address: SocketAddr,
    state: Arc<Mutex<DskState>>,
}

#[derive(Debug)]
struct DskState {
    behaviour: Behaviour,
    record: Record,
    under_way: HashMap<String, usize>,
    under_way_max: usize,
    observer: Option<mpsc::Sender<Observed>>,
}

/// A request that waits for its answer until the observer has seen it: a stand-in that is killed has shown everything that
/// it answered.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) request: DskRequest,
    pub(crate) seen: oneshot::Sender<()>,
}

/// How many requests DSK answered, how many events it has, and how many requests it did not answer with 200.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DskCounts {
    pub(crate) answered: usize,
    pub(crate) delivered: usize,
    pub(crate) failed: usize,
}

/// The behaviour that applies to a request, and its answer unless the request is refused.
struct Plan {
    behaviour: Behaviour,
    answer: u16,
}

const LIMITS: ServeLimits = ServeLimits {
    header_read: Duration::from_mins(1),
    body_read: Duration::from_mins(1),
    connections_max: 4_096,
    client_connections_max: 4_096,
    grace: Duration::from_millis(200),
};
/// Larger than any event that ingest accepts.
const BODY_BYTES_MAX: usize = 8 << 20;

impl Dsk {
    /// Listens, and plays DSK until a stop is requested.
    pub async fn start(
        listen: SocketAddr,
        behaviour: Behaviour,
        shutdown: &Shutdown,
    ) -> Result<Self, chassis::Problem> {
        Self::serve(listen, DskState::new(behaviour, None), shutdown).await
    }

    /// As [`Dsk::start`], and answers each request after `observer` has seen it.
    pub(crate) async fn start_observed(
        listen: SocketAddr,
        behaviour: Behaviour,
        observer: mpsc::Sender<Observed>,
        shutdown: &Shutdown,
    ) -> Result<Self, chassis::Problem> {
        Self::serve(listen, DskState::new(behaviour, Some(observer)), shutdown).await
    }

    async fn serve(listen: SocketAddr, state: DskState, shutdown: &Shutdown) -> Result<Self, chassis::Problem> {
        let (listener, address) = chassis::listen("--listen", listen).await?;
        let state = Arc::new(Mutex::new(state));
        let router = Router::new()
            .route("/events", post(receive))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&state));
        shutdown.spawn(chassis::serve(listener, router, LIMITS, TrustedProxies::default(), shutdown.clone()));
        Ok(Self { address, state })
    }

    /// The value for `DSK_URL`.
    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Changes the behaviour from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.state).behaviour);
    }

    /// Every request so far, in the order of the answers, if they are kept.
    pub fn seen(&self) -> Vec<DskRequest> {
        lock(&self.state).record.requests.clone()
    }

    /// The requests behind the first `count` of them, if they are kept.
    pub fn seen_after(&self, count: usize) -> Vec<DskRequest> {
        lock(&self.state).record.requests.get(count..).unwrap_or_default().to_vec()
    }

    /// How many events it has, each counted once.
    pub fn events(&self) -> usize {
        lock(&self.state).record.delivered
    }

    /// How many requests were answered.
    pub fn requests(&self) -> usize {
        lock(&self.state).record.answered
    }

    /// How many requests wait for their answer now.
    pub fn under_way(&self) -> usize {
        lock(&self.state).under_way.values().sum()
    }

    /// The most requests of one event that were ever under way at the same time.
    pub fn under_way_most(&self) -> usize {
        lock(&self.state).under_way_max
    }

    /// Ids of the events that DSK has, each once.
    pub fn ids(&self) -> BTreeSet<String> {
        lock(&self.state).record.ids()
    }

    pub(crate) fn counts(&self) -> DskCounts {
        let state = lock(&self.state);
        let Record { answered, delivered, failed, .. } = state.record;
        DskCounts { answered, delivered, failed }
    }
}

impl DskState {
    fn new(behaviour: Behaviour, observer: Option<mpsc::Sender<Observed>>) -> Self {
        let record = Record::new(behaviour.keeps);
        Self { behaviour, record, under_way: HashMap::new(), under_way_max: 0, observer }
    }
}

fn lock(state: &Mutex<DskState>) -> MutexGuard<'_, DskState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(State(state): State<Arc<Mutex<DskState>>>, headers: HeaderMap, body: Bytes) -> Response {
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let request = Parts { headers: &headers, body: &body, json: &json };
    let id = request.header("webhook-id").to_owned();
    let Plan { behaviour, answer } = begin(&state, &id);
    if !behaviour.delay.is_zero() {
        // Shutdown::pause would cut the delay short, and the request is still to be answered as planned.
        tokio::time::timeout(behaviour.delay, std::future::pending::<()>()).await.ok();
    }
    let refusal = behaviour.check(&request).err();
    let status = match refusal {
        Some(refusal) => refusal.status,
        None => behaviour.special_answer(&request).unwrap_or(answer),
    };
    let request = DskRequest {
        attempt: request.header("webhook-attempt").parse().unwrap_or_default(),
        status,
        fault: refusal.map(|refusal| refusal.fault),
        is_repeat: false,
        event_type: json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned(),
        headers: if behaviour.keeps_headers { headers } else { HeaderMap::new() },
        body: if behaviour.keeps == Keeps::Everything { body } else { Bytes::new() },
        id,
    };
    end(&state, request).await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match behaviour.retry_after.filter(|_| !status.is_success()) {
        Some(pause) => (status, [("retry-after", pause)]).into_response(),
        None => status.into_response(),
    }
}

/// Plans the answer when the request comes: a change of behaviour while it waits applies to the next request.
fn begin(state: &Mutex<DskState>, id: &str) -> Plan {
    let mut state = lock(state);
    let count = state.under_way.entry(id.to_owned()).or_default();
    *count += 1;
    let count = *count;
    state.under_way_max = state.under_way_max.max(count);
    let scripted = state.behaviour.script.pop_front();
    let behaviour = state.behaviour.clone();
    let answer = if dice() < behaviour.fail_ratio { 503 } else { scripted.or(behaviour.answer).unwrap_or(200) };
    Plan { behaviour, answer }
}

/// Records the request, and shows it to the observer.
async fn end(state: &Mutex<DskState>, mut request: DskRequest) {
    let observer = {
        let mut state = lock(state);
        if let Some(count) = state.under_way.get_mut(&request.id) {
            *count -= 1;
            if *count == 0 {
                state.under_way.remove(&request.id);
            }
        }
        request.is_repeat = state.record.has(&request.id);
        state.record.add(&request);
        state.observer.clone()
    };
    if let Some(observer) = observer {
        let (seen, is_seen) = oneshot::channel();
        // Both fail only if the observer has gone.
        if observer.send(Observed { request, seen }).await.is_ok() {
            is_seen.await.ok();
        }
    }
}
