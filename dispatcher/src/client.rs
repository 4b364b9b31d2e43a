//! Sends requests to DSK and reads the answers: pooled, TLS by rustls, no redirects, every wait bounded.

use std::time::Duration;

use bytes::Bytes;
use channels::is_public;
use chassis::{AddressRefused, HttpsClient, Problem, https_client};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};

use crate::endpoint::{Endpoint, PRIVATE_ADDRESS};
use crate::remedy::{Failure, Outcome};

/// How long `ops doctor` waits for an answer.
const REACH_TIME: Duration = Duration::from_secs(10);
/// How long the body of a success may take. Nothing in it matters, and the event waits for its acknowledgement.
const SUCCESS_BODY_TIME: Duration = Duration::from_secs(1);
/// Most of an answer that is read. DSK's answers are short.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How much of an answer a dead letter keeps.
const ANSWER_KEPT_BYTES: usize = 500;

/// The client. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Connects to `DSK_URL`, wherever that is.
    trusted: HttpsClient,
    /// Connects to the URLs of channels, if they lead to public addresses.
    guarded: HttpsClient,
    attempt_time: Duration,
}

impl Client {
    pub(crate) fn new(attempt_time: Duration) -> Result<Self, Problem> {
        Ok(Self { trusted: https_client(|_| true)?, guarded: https_client(is_public)?, attempt_time })
    }

    /// Sends one request to an endpoint; `now` is what a date in `Retry-After` is compared with.
    pub(crate) async fn attempt(&self, request: Request<Full<Bytes>>, endpoint: &Endpoint, now: Timestamp) -> Outcome {
        let deadline = Instant::now() + self.attempt_time;
        let client = if endpoint.is_guarded() { &self.guarded } else { &self.trusted };
        match timeout_at(deadline, std::pin::pin!(client.request(request))).await {
            Ok(Ok(answer)) => read(answer, deadline, now).await,
            Ok(Err(error)) => Outcome::Failed(connection_failure(&error)),
            Err(_) => {
                client.distrust_idle();
                Outcome::Failed(Failure::TimedOut)
            }
        }
    }
}

/// The answer to a request that carries no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadAnswer {
    /// Its status.
    pub status: StatusCode,
    /// When it was sent, by the clock of the server.
    pub date: Option<Timestamp>,
}

/// Asks whether an endpoint answers, without a token and without an event.
pub async fn reach(endpoint: &Endpoint) -> Result<HeadAnswer, Failure> {
    let client = Client::new(REACH_TIME).map_err(|problem| Failure::Damaged(problem.to_string()))?;
    let request = Request::builder().method(Method::HEAD).uri(endpoint.uri()).body(Full::default());
    let request = request.map_err(|error| Failure::Damaged(error.to_string()))?;
    let answer = timeout(REACH_TIME, client.trusted.request(request)).await;
    let answer = answer.map_err(|_| Failure::TimedOut)?.map_err(|error| connection_failure(&error))?;
    Ok(HeadAnswer { status: answer.status(), date: date(answer.headers(), DATE) })
}

/// Distinguishes a connection that failed from one that we refused to make, which is the channel's fault and not DSK's.
fn connection_failure(error: &hyper_util::client::legacy::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<AddressRefused>)
        {
            return Failure::Damaged(PRIVATE_ADDRESS.to_owned());
        }
        cause = error.source();
    }
    Failure::Unreachable
}

/// The status alone decides, even if the body can't be read or does not end: DSK has said what it did with the event.
/// Reading the body keeps the connection usable.
async fn read(answer: Response<Incoming>, deadline: Instant, now: Timestamp) -> Outcome {
    let status = answer.status();
    let retry_after = retry_after(answer.headers(), now);
    let deadline = if status.is_success() { deadline.min(Instant::now() + SUCCESS_BODY_TIME) } else { deadline };
    let body = timeout_at(deadline, Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect()).await;
    let body = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let answer = if status.is_success() { String::new() } else { excerpt(&body) };
    Outcome::of_answer(status, retry_after, answer)
}

/// The beginning of an answer, in one line.
fn excerpt(body: &[u8]) -> String {
    let start = &body[..body.len().min(ANSWER_KEPT_BYTES)];
    String::from_utf8_lossy(start).chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// `Retry-After` holds seconds or a date (RFC 9110 §10.2.3). A date counts from the answer's own `Date` if it has one.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let from = date(headers, DATE).unwrap_or(now);
    let pause = date(headers, RETRY_AFTER)?.duration_since(from);
    Some(Duration::try_from(pause).unwrap_or_default())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text.trim()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use channels::Allowance;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::remedy::Remedy;

    /// Sends one request to a server that answers with these bytes and then keeps the connection open in silence.
    async fn outcome_of(answer: &str) -> Outcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _request = stream.read(&mut [0; 4_096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        };
        let endpoint = Endpoint::parse(&url, Allowance::default()).unwrap();
        let client = Client::new(Duration::from_millis(500)).unwrap();
        let request = Request::post(endpoint.uri()).body(Full::default()).unwrap();
        tokio::select! {
            outcome = client.attempt(request, &endpoint, chassis::now()) => outcome,
            () = server => unreachable!("the server never ends"),
        }
    }

    #[tokio::test]
    async fn a_status_decides_although_the_body_never_ends() {
        let success = outcome_of("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
        let refusal = outcome_of("HTTP/1.1 422 No\r\ncontent-length: 10\r\n\r\nhalf").await;

        assert_eq!(success.remedy(), None, "{success:?}");
        assert!(matches!(refusal, Outcome::Failed(Failure::Answered { status, .. }) if status == 422), "{refusal:?}");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed_and_its_target_sees_no_token() {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let location = format!("location: http://{}/\r\n", target.local_addr().unwrap());
        for status in ["300 Choose", "301 Moved", "302 Found", "303 See", "307 Moved", "308 Moved"] {
            let outcome = outcome_of(&format!("HTTP/1.1 {status}\r\n{location}content-length: 0\r\n\r\n")).await;
            assert_eq!(outcome.remedy(), Some(Remedy::Mend), "{status}");
        }

        let asked = timeout(Duration::from_millis(200), target.accept()).await;
        assert!(asked.is_err(), "a redirect was followed");
    }

    /// Answers with a body that does not end, and says how many bytes of it were taken.
    async fn bytes_taken_of_an_endless_body(listener: TcpListener) -> usize {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _request = stream.read(&mut [0; 4_096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 422 No\r\ncontent-length: 1000000000000\r\n\r\n").await.unwrap();
        let piece = vec![b'x'; 64 << 10];
        let mut taken = 0;
        while stream.write_all(&piece).await.is_ok() {
            taken += piece.len();
        }
        taken
    }

    #[tokio::test]
    async fn of_an_endless_answer_little_is_read_and_less_is_kept() {
        /// What the sockets' buffers hold at most, and the rest of what a client without a bound takes in a moment.
        const BUFFERED_BYTES_MAX: usize = 16 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let endpoint = Endpoint::parse(&endpoint, Allowance::default()).unwrap();
        let client = Client::new(Duration::from_secs(5)).unwrap();
        let request = Request::post(endpoint.uri()).body(Full::default()).unwrap();

        let attempt = async {
            let outcome = client.attempt(request, &endpoint, chassis::now()).await;
            drop(client);
            outcome
        };
        let (taken, outcome) = tokio::join!(bytes_taken_of_an_endless_body(listener), attempt);

        assert!(taken < BUFFERED_BYTES_MAX, "{taken} bytes were taken");
        let Outcome::Failed(Failure::Answered { answer, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(answer.len() <= ANSWER_KEPT_BYTES, "{} bytes are kept", answer.len());
    }

    #[tokio::test]
    async fn an_answer_without_a_status_is_a_time_out() {
        let outcome = outcome_of("HTTP/1.1 200").await;

        assert!(matches!(outcome, Outcome::Failed(Failure::TimedOut)), "{outcome:?}");
    }

    /// Answers the first request of each connection, and further ones only on those that come after the first two.
    async fn falls_silent_on_two_connections(listener: TcpListener) {
        let tasks = chassis::Shutdown::default();
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            tasks.spawn(async move {
                for request in 0.. {
                    let _request = stream.read(&mut [0; 4_096]).await.unwrap();
                    if number < 2 && request > 0 {
                        return std::future::pending().await;
                    }
                    chassis::Shutdown::default().pause(Duration::from_millis(100)).await;
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn a_silent_connection_costs_one_attempt_however_many_are_silent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let endpoint = Endpoint::parse(&endpoint, Allowance::default()).unwrap();
        let client = Client::new(Duration::from_millis(500)).unwrap();
        let attempt = async || {
            let request = Request::post(endpoint.uri()).body(Full::default()).unwrap();
            client.attempt(request, &endpoint, chassis::now()).await.remedy().is_none()
        };
        let attempts = async {
            assert_eq!(<[bool; 2]>::from(tokio::join!(attempt(), attempt())), [true; 2], "both connections are kept");
            assert_eq!([attempt().await, attempt().await], [false, true]);
        };

        tokio::select! {
            () = attempts => {}
            () = falls_silent_on_two_connections(listener) => unreachable!("the server never ends"),
        }
    }

    fn pause(retry_after_value: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, retry_after_value.parse().unwrap())]);
        retry_after(&headers, "2026-11-23T18:00:00Z".parse().unwrap())
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(pause("120"), Some(Duration::from_mins(2)));
        assert_eq!(pause("Mon, 23 Nov 2026 18:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(pause("Mon, 23 Nov 2026 17:00:00 GMT"), Some(Duration::ZERO), "the date is past");
        assert_eq!(pause("Monday, 23-Nov-26 18:00:30 GMT"), Some(Duration::from_secs(30)), "the form of RFC 850");
        assert_eq!(
            pause("18446744073709551615"),
            Some(Duration::from_secs(u64::MAX)),
            "it is bounded where it is used"
        );
        assert_eq!(pause("Thu, 30 Dec 9999 00:00:00 GMT").map(|pause| pause > Duration::from_hours(24)), Some(true));
        for wrong in ["soon", "-1", "1.5", "99999999999999999999", ""] {
            assert_eq!(pause(wrong), None, "{wrong}");
        }
    }
}
