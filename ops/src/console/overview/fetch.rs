//! Fetches one page of metrics, or one answer of Prometheus, within a bounded time and size.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use chassis::{HttpsClient, Problem, https_client};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, StatusCode};
use url::Url;

/// Shorter than the time between two rounds, so that a process that hangs costs no round.
const ANSWER_TIME: Duration = Duration::from_secs(3);
/// A page of metrics has about 50 kB, and an hour of one figure less.
const ANSWER_BYTES_MAX: usize = 2 << 20;

/// Fetches. A clone shares its connections.
#[derive(Clone, Debug)]
pub(super) struct Fetcher(HttpsClient);

impl Fetcher {
    /// The operator names the addresses, so every one is allowed.
    pub(super) fn new() -> Result<Self, Problem> {
        https_client(|_| true).map(Self)
    }

    /// The text at an address. The error says what happened, in words that follow "does not answer:".
    pub(super) async fn get(&self, url: &Url) -> Result<String, String> {
        let request = Request::get(url.as_str()).body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| innermost(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| innermost(&*error))?.to_bytes();
            if status != StatusCode::OK {
                return Err(format!("its answer is {status}"));
            }
            String::from_utf8(body.into()).map_err(|_| "its answer is no text".to_owned())
        };
        let answered = tokio::time::timeout(ANSWER_TIME, exchange).await;
        answered.unwrap_or_else(|_| {
            self.0.distrust_idle();
            Err(format!("no answer within {} s", ANSWER_TIME.as_secs()))
        })
    }
}

/// The text of the innermost error, which says what happened ("connection refused").
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
