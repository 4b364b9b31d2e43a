//! Posts signed notifications as Meta does, as fast as they are accepted or at a rate that waits for nobody. It writes plain
//! bytes, because it uses the same cores as what is measured.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::latency::Latencies;
use crate::notifications::{SignedNotification, Source};
use crate::rig;
use crate::times::Times;

/// How notifications are posted.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Where ingest listens.
    pub(crate) address: String,
    pub(crate) notifications: Source,
    /// Connections that post at once.
    pub(crate) connections: usize,
}

/// When each notification is due.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) begin: Instant,
    pub(crate) per_second: f64,
    /// The first one.
    pub(crate) from: usize,
    pub(crate) times: Arc<Times>,
}

impl Schedule {
    fn due(&self, serial: usize) -> Instant {
        let count = u32::try_from(serial - self.from).unwrap_or(u32::MAX);
        self.begin + Duration::from_secs_f64(f64::from(count) / self.per_second)
    }
}

impl Sender {
    /// Posts the first ones, each connection one after the other. Returns how long each 200 took.
    pub(crate) async fn post_all(&self, count: usize) -> Latencies {
        self.post(0..count, None).await
    }

    /// Posts those of a range, each when it is due, or at once if that is over. Returns how long after that its 200 came:
    /// what waits for a connection to be free is late, too.
    pub(crate) async fn post_at(&self, schedule: Schedule, count: usize) -> Latencies {
        self.post(schedule.from..schedule.from + count, Some(schedule)).await
    }

    async fn post(&self, range: std::ops::Range<usize>, schedule: Option<Schedule>) -> Latencies {
        let next = Arc::new(AtomicUsize::new(range.start));
        let connections = (0..self.connections).map(|_| {
            let (done, finished) = tokio::sync::oneshot::channel();
            let sender = self.clone();
            let next = Arc::clone(&next);
            let end = range.end;
            let schedule = schedule.clone();
            rig::spawn(async move {
                done.send(sender.post_one_by_one(&next, end, schedule.as_ref()).await).ok();
            });
            finished
        });
        let mut latencies = Latencies::default();
        for finished in join_all(connections).await {
            latencies.append(finished.expect("every notification was accepted"));
        }
        latencies
    }

    /// Posts on one connection what no other connection has posted.
    async fn post_one_by_one(&self, next: &AtomicUsize, end: usize, schedule: Option<&Schedule>) -> Latencies {
        let mut connection = Connection::open(&self.address).await;
        let mut latencies = Latencies::default();
        loop {
            let serial = next.fetch_add(1, Ordering::Relaxed);
            if serial >= end {
                return latencies;
            }
            let begin = match schedule {
                Some(schedule) => {
                    let begin = wait_for(schedule.due(serial)).await;
                    schedule.times.note(serial, begin);
                    begin
                }
                None => Instant::now(),
            };
            let notification = self.notifications.get(serial).expect("there are so many");
            connection.post(&notification).await;
            latencies.add(begin.elapsed());
        }
    }
}

/// Waits for a time, and returns it if it was over already. A timer wakes up to a millisecond late, which nobody else is to
/// blame for.
async fn wait_for(due: Instant) -> Instant {
    if due <= Instant::now() {
        return due;
    }
    tokio::time::sleep_until(due.into()).await;
    Instant::now()
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("ingest listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, request: Vec::new() }
    }

    async fn post(&mut self, notification: &SignedNotification) {
        let SignedNotification { body, signature } = notification;
        self.request.clear();
        write!(
            self.request,
            "POST /webhook HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nx-hub-signature-256: {signature}\r\n\r\n",
            body.len()
        )
        .expect("writing to memory cannot fail");
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await.expect("ingest reads");
        let mut answer = [0; 512];
        let mut read = 0;
        while !answer[..read].ends_with(b"\r\n\r\n") {
            let more = self.stream.read(&mut answer[read..]).await.expect("ingest answers");
            assert_ne!(more, 0, "ingest closed the connection");
            read += more;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..read]));
    }
}
