//! DSK in a drill: one server for each tenant, which treats requests in any [`Manner`], and notes what it takes. It writes
//! its answers byte by byte, because no HTTP library would drip, lie or end half way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::evidence::Taken;
use super::fault::{Manner, TENANTS};
use super::notification;
use crate::rig;

/// How long a slow DSK takes for an answer: less than an attempt may.
const SLOW: Duration = Duration::from_secs(3);
/// The time between two bytes that drip, or two pieces of an endless body.
const DRIP: Duration = Duration::from_secs(1);
const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The DSK of every tenant.
#[derive(Clone, Debug)]
pub(crate) struct Dsk {
    pub(crate) addresses: Vec<SocketAddr>,
    state: Arc<Mutex<State>>,
    start: Instant,
}

#[derive(Debug, Default)]
struct State {
    manners: [Manner; TENANTS],
    taken: Vec<Taken>,
    /// Requests that had not the token of their tenant, or no event of the drill.
    strange: usize,
}

/// One request, as far as it matters here.
struct Request {
    attempt: u32,
    authorization: String,
    body: Vec<u8>,
}

impl Dsk {
    /// Starts them. Times count from `start`.
    pub(crate) async fn start(start: Instant) -> Self {
        let mut dsk = Self { addresses: Vec::new(), state: Arc::default(), start };
        let mut listeners = Vec::new();
        for _ in 0..TENANTS {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            dsk.addresses.push(listener.local_addr().expect("it listens"));
            listeners.push(listener);
        }
        for (tenant, listener) in listeners.into_iter().enumerate() {
            let serving = dsk.clone();
            rig::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let serving = serving.clone();
                    rig::spawn(async move { _ = serving.serve(tenant, stream).await });
                }
            });
        }
        dsk
    }

    /// The token that the requests for a tenant must have.
    pub(crate) fn token(tenant: usize) -> String {
        format!("dsk-token-of-tenant-{tenant}")
    }

    /// From now on, treats the requests for one tenant, or for all, in this manner.
    pub(crate) fn behave(&self, tenant: Option<usize>, manner: Manner) {
        let manners = &mut self.lock().manners;
        match tenant {
            Some(tenant) => manners[tenant] = manner,
            None => *manners = [manner; TENANTS],
        }
    }

    /// What was taken, in this order.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.lock().taken.clone()
    }

    /// How many requests were not what they should be.
    pub(crate) fn strange(&self) -> usize {
        self.lock().strange
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the requests of one connection until it ends.
    async fn serve(&self, tenant: usize, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Some(request) = read(&mut stream).await? {
            let manner = self.lock().manners[tenant];
            if manner == Manner::Slow {
                wait(SLOW).await;
            }
            if takes(manner) {
                self.take(tenant, &request);
            }
            match manner {
                Manner::Well | Manner::Slow => stream.write_all(GOOD.as_bytes()).await?,
                Manner::Unavailable => stream.write_all(answer("503 Service Unavailable", "").as_bytes()).await?,
                Manner::Redirecting => {
                    let place = "location: http://127.0.0.1:9/elsewhere\r\n";
                    stream.write_all(answer("307 Temporary Redirect", place).as_bytes()).await?;
                }
                Manner::Throttling => {
                    stream.write_all(answer("429 Too Many Requests", "retry-after: 3\r\n").as_bytes()).await?;
                }
                Manner::Rejecting => stream.write_all(answer("422 Unprocessable Content", "").as_bytes()).await?,
                Manner::Hanging => return ends(&mut stream).await,
                Manner::Dripping => drip(&mut stream, GOOD).await?,
                Manner::ClosingHalfWay => return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await,
                Manner::Endless => return flow(&mut stream).await,
                Manner::Wrong => return stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await,
            }
        }
        Ok(())
    }

    fn take(&self, tenant: usize, request: &Request) {
        let at = self.start.elapsed();
        let mut state = self.lock();
        let place = notification::place(&request.body).filter(|place| place.tenant() == tenant);
        let is_right = request.authorization == format!("Bearer {}", Self::token(tenant));
        match place.filter(|_| is_right) {
            Some(place) => state.taken.push(Taken { place, attempt: request.attempt, at }),
            None => state.strange += 1,
        }
    }
}

/// Whether DSK has the event, whatever becomes of its answer.
fn takes(manner: Manner) -> bool {
    match manner {
        Manner::Well | Manner::Slow | Manner::Dripping | Manner::ClosingHalfWay | Manner::Endless => true,
        Manner::Unavailable | Manner::Hanging | Manner::Redirecting => false,
        Manner::Wrong | Manner::Throttling | Manner::Rejecting => false,
    }
}

fn answer(status: &str, header: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}content-length: 0\r\n\r\n")
}

/// Reads a request; `None` if the connection has ended before one.
async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut request = Request { attempt: 0, authorization: String::new(), body: Vec::new() };
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or_default(),
            "webhook-attempt" => request.attempt = value.parse().unwrap_or_default(),
            "authorization" => value.clone_into(&mut request.authorization),
            _ => {}
        }
    }
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

/// Waits until the other side closes.
async fn ends(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

async fn drip(stream: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    for byte in text.bytes() {
        stream.write_all(&[byte]).await?;
        wait(DRIP).await;
    }
    Ok(())
}

async fn flow(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    loop {
        stream.write_all(b"4\r\nmore\r\n").await?;
        wait(DRIP / 10).await;
    }
}

async fn wait(time: Duration) {
    tokio::time::sleep_until((Instant::now() + time).into()).await;
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Place;
    use super::*;

    /// Longer than any answer takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Posts an event of tenant 0, and returns as much of the answer as is asked for.
    async fn post(dsk: &Dsk, token: &str, bytes: usize) -> String {
        let body = notification::notification(&[Place { conversation: 0, turn: 4 }]);
        let head = format!(
            "POST /events HTTP/1.1\r\nAuthorization: Bearer {token}\r\nwebhook-attempt: 2\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(dsk.addresses[0]).await.unwrap();
        stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        let mut answer = vec![0; bytes];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn each_manner_shows_and_what_was_taken_is_noted_with_its_attempt() {
        let dsk = Dsk::start(Instant::now()).await;
        for (manner, start, takes) in [
            (Manner::Well, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
            (Manner::Unavailable, "HTTP/1.1 503 ", false),
            (Manner::Redirecting, "HTTP/1.1 307 ", false),
            (Manner::Throttling, "HTTP/1.1 429 ", false),
            (Manner::Rejecting, "HTTP/1.1 422 ", false),
            (Manner::ClosingHalfWay, "HTTP/1.1 200 OK\r\ncontent-le", true),
            (Manner::Endless, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nmore\r\n4\r\nmore", true),
            (Manner::Dripping, "HT", true),
            (Manner::Wrong, "SSH-2.0-", false),
            (Manner::Hanging, "", false),
        ] {
            dsk.behave(Some(0), manner);
            let before = dsk.taken().len();

            let answer = post(&dsk, &Dsk::token(0), start.len()).await;

            assert_eq!(answer, start, "{manner:?}");
            assert_eq!(dsk.taken().len() - before, usize::from(takes), "{manner:?}");
        }
        assert!(dsk.taken().iter().all(|taken| taken.attempt == 2 && taken.place.turn == 4));
        assert_eq!(dsk.strange(), 0);
    }

    #[tokio::test]
    async fn a_request_with_the_token_of_another_tenant_is_strange_and_not_taken() {
        let dsk = Dsk::start(Instant::now()).await;

        post(&dsk, &Dsk::token(1), GOOD.len()).await;

        assert_eq!((dsk.strange(), dsk.taken().len()), (1, 0));
    }
}
