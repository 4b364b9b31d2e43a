//! The HTTP client to DSK: pooled, TLS by rustls, no redirects, every wait bounded.

use std::time::Duration;

use bytes::Bytes;
use chassis::{AddressRefused, HttpsClient, Problem, https_client};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::time::timeout;

use crate::destination::{PRIVATE_ADDRESS, is_public};
use crate::{Cause, Destination};

/// How long `ops doctor` waits for an answer.
const REACH_TIME: Duration = Duration::from_secs(10);
/// Most of an answer that is read. DSK's answers are short; more is not for us.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// First bytes of an answer that a dead letter keeps.
const ANSWER_KEPT_BYTES: usize = 500;

/// The client. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// To `DSK_URL`, wherever that is.
    trusted: HttpsClient,
    /// To addresses that channels name: public ones only.
    guarded: HttpsClient,
    attempt_time: Duration,
}

impl Client {
    pub(crate) fn new(attempt_time: Duration) -> Result<Self, Problem> {
        Ok(Self { trusted: https_client(|_| true)?, guarded: https_client(is_public)?, attempt_time })
    }

    /// One attempt: the cause says how it ended, `Answered` with a 2xx included.
    pub(crate) async fn attempt(&self, request: Request<Full<Bytes>>, is_guarded: bool, now: Timestamp) -> Cause {
        let exchange = std::pin::pin!(async {
            let answer = if is_guarded { self.guarded.request(request) } else { self.trusted.request(request) };
            Ok(read(answer.await.map_err(|error| unreachable(&error))?, now).await)
        });
        match timeout(self.attempt_time, exchange).await {
            Ok(Ok(cause) | Err(cause)) => cause,
            Err(_) => Cause::TimedOut,
        }
    }
}

/// Somebody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// With this status.
    pub status: StatusCode,
    /// At this time, by its own clock.
    pub date: Option<Timestamp>,
}

/// Asks whether anybody is there, without a token and without an event.
pub async fn reach(destination: &Destination) -> Result<Reached, Cause> {
    let client = Client::new(REACH_TIME).map_err(|problem| Cause::Damaged(problem.to_string()))?;
    let request = Request::builder().method(Method::HEAD).uri(destination.uri()).body(Full::default());
    let request = request.map_err(|error| Cause::Damaged(error.to_string()))?;
    let answer = timeout(REACH_TIME, client.trusted.request(request)).await;
    let answer = answer.map_err(|_| Cause::TimedOut)?.map_err(|error| unreachable(&error))?;
    Ok(Reached { status: answer.status(), date: date(answer.headers(), DATE) })
}

/// No connection; or none that we may make, which is the channel's fault and not DSK's.
fn unreachable(error: &hyper_util::client::legacy::Error) -> Cause {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<AddressRefused>)
        {
            return Cause::Damaged(PRIVATE_ADDRESS.to_owned());
        }
        cause = error.source();
    }
    Cause::Unreachable
}

/// The status decides, whatever becomes of the body; reading it keeps the connection usable.
async fn read(answer: Response<Incoming>, now: Timestamp) -> Cause {
    let status = answer.status();
    let retry_after = retry_after(answer.headers(), now);
    let body =
        Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map(http_body_util::Collected::to_bytes);
    let answer = if status.is_success() { String::new() } else { kept(&body.unwrap_or_default()) };
    Cause::Answered { status, retry_after, answer }
}

/// Readable in one line, and bounded.
fn kept(body: &[u8]) -> String {
    let start = &body[..body.len().min(ANSWER_KEPT_BYTES)];
    String::from_utf8_lossy(start).chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Seconds, or a date (RFC 9110 §10.2.3); a date counts from the answer's own `Date` where there is one.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let wanted = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let from = date(headers, DATE).unwrap_or(now);
    let pause = date(headers, RETRY_AFTER)?.duration_since(from);
    Some(Duration::try_from(pause).unwrap_or_default())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    rfc2822::parse(text.trim()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(retry_after_value: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, retry_after_value.parse().unwrap())]);
        retry_after(&headers, "2026-11-23T18:00:00Z".parse().unwrap())
    }

    #[test]
    fn retry_after_is_understood_as_seconds_and_as_a_date() {
        assert_eq!(pause("120"), Some(Duration::from_mins(2)));
        assert_eq!(pause("Mon, 23 Nov 2026 18:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(pause("Mon, 23 Nov 2026 17:00:00 GMT"), Some(Duration::ZERO), "a date that is past");
        assert_eq!(pause("soon"), None);
    }
}
