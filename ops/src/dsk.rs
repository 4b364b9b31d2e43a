//! A stand-in for DSK: it checks the bearer token, the signature and the body of every request, and fails on demand. `ops
//! dsk`, the demonstration and the tests deliver to it.

mod behaviour;

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
use chassis::{ServeLimits, Shutdown, dice};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

pub use behaviour::Behaviour;
use behaviour::Parts;

/// One request, and how it was answered.
#[derive(Clone, Debug)]
pub struct DskRequest {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-attempt`.
    pub attempt: u32,
    /// The status that was answered.
    pub status: u16,
    /// Why the request was not a good one, if it was not.
    pub fault: Option<&'static str>,
    /// Whether DSK had the event already.
    pub is_repeat: bool,
    /// `type` of the body.
    pub event_type: String,
    /// Every header, if the stand-in keeps them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The stand-in.
#[derive(Clone, Debug)]
pub struct Dsk {
    address: SocketAddr,
    state: Arc<Mutex<DskState>>,
}

#[derive(Debug, Default)]
struct DskState {
    behaviour: Behaviour,
    requests: Vec<DskRequest>,
    delivered: BTreeSet<String>,
    failed: usize,
    under_way: HashMap<String, usize>,
    under_way_max: usize,
    observer: Option<UnboundedSender<DskRequest>>,
}

/// How many events DSK has, and how many requests it did not answer with 200.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DskCounts {
    pub(crate) delivered: usize,
    pub(crate) failed: usize,
}

/// The behaviour that applies to a request, and its answer unless the request is refused.
struct Plan {
    behaviour: Behaviour,
    answer: u16,
}

const LIMITS: ServeLimits =
    ServeLimits { header_read: Duration::from_mins(1), connections_max: 4_096, grace: Duration::from_millis(200) };
/// Larger than any event that ingest accepts.
const BODY_BYTES_MAX: usize = 8 << 20;

impl Dsk {
    /// Listens, and plays DSK until a stop is requested.
    pub async fn start(
        listen: SocketAddr,
        behaviour: Behaviour,
        shutdown: &Shutdown,
    ) -> Result<Self, chassis::Problem> {
        Self::serve(listen, DskState { behaviour, ..DskState::default() }, shutdown).await
    }

    /// As [`Dsk::start`], and sends each request to `observer` once it is answered.
    pub(crate) async fn start_observed(
        listen: SocketAddr,
        behaviour: Behaviour,
        observer: UnboundedSender<DskRequest>,
        shutdown: &Shutdown,
    ) -> Result<Self, chassis::Problem> {
        let state = DskState { behaviour, observer: Some(observer), ..DskState::default() };
        Self::serve(listen, state, shutdown).await
    }

    async fn serve(listen: SocketAddr, state: DskState, shutdown: &Shutdown) -> Result<Self, chassis::Problem> {
        let (listener, address) = chassis::listen("--listen", listen).await?;
        let state = Arc::new(Mutex::new(state));
        let router = Router::new()
            .route("/events", post(receive))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&state));
        shutdown.spawn(chassis::serve(listener, router, LIMITS, shutdown.clone()));
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

    /// Every request so far, in the order of the answers.
    pub fn seen(&self) -> Vec<DskRequest> {
        lock(&self.state).requests.clone()
    }

    /// How many requests were answered.
    pub fn requests(&self) -> usize {
        lock(&self.state).requests.len()
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
        lock(&self.state).delivered.clone()
    }

    pub(crate) fn counts(&self) -> DskCounts {
        let state = lock(&self.state);
        DskCounts { delivered: state.delivered.len(), failed: state.failed }
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
        body,
        id,
    };
    end(&state, request);
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

fn end(state: &Mutex<DskState>, mut request: DskRequest) {
    let mut state = lock(state);
    if let Some(count) = state.under_way.get_mut(&request.id) {
        *count -= 1;
        if *count == 0 {
            state.under_way.remove(&request.id);
        }
    }
    request.is_repeat = state.delivered.contains(&request.id);
    if request.status == 200 {
        state.delivered.insert(request.id.clone());
    } else {
        state.failed += 1;
    }
    if let Some(observer) = &state.observer {
        observer.send(request.clone()).ok();
    }
    state.requests.push(request);
}
