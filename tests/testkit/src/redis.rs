//! A Redis of our own; one for a test run, a key prefix for a test.

use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::keeper::Keeper;
use crate::ports::free_port;
use crate::{Link, eventually};

/// A Redis that keeps every write, as ours has to.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    #[expect(dead_code, reason = "the keeper ends it; dropping it here would leave a zombie")]
    server: Child,
    given: AtomicUsize,
    #[expect(dead_code, reason = "held for its drop, which ends the server")]
    keeper: Keeper,
}

impl Redis {
    /// The Redis that all tests of a run share. Nobody stops it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Redis> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// A Redis for one test.
    pub async fn start() -> Self {
        let (keeper, port) = (Keeper::new("test-redis-"), free_port());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let server = start_server(&keeper, port);
        let redis = Self { address, server, given: AtomicUsize::new(0), keeper };
        redis.is_up().await;
        redis
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The same through a link.
    pub fn url_through(&self, link: &Link) -> String {
        format!("redis://{}", link.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A key prefix that nobody else uses.
    pub fn prefix(&self) -> String {
        format!("test{}:", self.given.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a command and gives the first 64 KiB of the raw answer.
    pub async fn command(&self, words: &[&str]) -> String {
        let mut connection = TcpStream::connect(self.address).await.expect("it runs");
        let request = words
            .iter()
            .fold(format!("*{}\r\n", words.len()), |request, word| request + &format!("${}\r\n{word}\r\n", word.len()));
        connection.write_all(request.as_bytes()).await.expect("it listens");
        let mut answer = vec![0; 64 << 10];
        let length = connection.read(&mut answer).await.expect("it answers");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    async fn is_up(&self) {
        eventually("Redis answers", async || {
            TcpStream::connect(self.address).await.ok()?;
            self.command(&["PING"]).await.starts_with("+PONG").then_some(())
        })
        .await;
    }
}

fn start_server(keeper: &Keeper, port: u16) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
    command.args(["--appendfsync", "always", "--maxmemory-policy", "noeviction"]).arg("--dir").arg(keeper.folder());
    keeper.start(&mut command, "redis")
}
