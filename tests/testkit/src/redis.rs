//! A private Redis: one for a test run, with a key prefix for each test.

use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::keeper::Keeper;
use crate::ports::free_port;
use crate::{Link, eventually};

/// A Redis that writes every change to disk at once, as the service demands.
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

    /// Starts a Redis for one test.
    pub async fn start() -> Self {
        let arguments = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
        Self::start_with(&[&arguments[..], &["--maxmemory-policy", "noeviction"]].concat()).await
    }

    /// Starts a Redis for one test with these arguments: a configuration file, and what differs from it.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let keeper = Keeper::new("test-redis-");
        let port = free_port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let server = start_server(&keeper, port, arguments);
        let redis = Self { address, server, given: AtomicUsize::new(0), keeper };
        redis.is_up().await;
        redis
    }

    /// The URL at which clients connect.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The URL through a link.
    pub fn url_through(&self, link: &Link) -> String {
        format!("redis://{}", link.address())
    }

    /// The address at which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A key prefix that no other test uses.
    pub fn prefix(&self) -> String {
        format!("test{}:", self.given.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a command and returns the first 64 KiB of the raw answer.
    pub async fn command(&self, words: &[&str]) -> String {
        let mut connection = TcpStream::connect(self.address).await.expect("it runs");
        ask(&mut connection, words).await
    }

    /// Runs a command as one of its users, and returns the first 64 KiB of the raw answer.
    pub async fn command_as(&self, user: &str, password: &str, words: &[&str]) -> String {
        let mut connection = TcpStream::connect(self.address).await.expect("it runs");
        let answer = ask(&mut connection, &["AUTH", user, password]).await;
        assert_eq!(answer, "+OK\r\n", "{user} can log in");
        ask(&mut connection, words).await
    }

    async fn is_up(&self) {
        eventually("Redis answers", async || {
            TcpStream::connect(self.address).await.ok()?;
            // A Redis that admits only its users refuses a command as soon as it has started.
            let answer = self.command(&["PING"]).await;
            ["+PONG", "-NOAUTH"].iter().any(|start| answer.starts_with(start)).then_some(())
        })
        .await;
    }
}

async fn ask(connection: &mut TcpStream, words: &[&str]) -> String {
    let head = format!("*{}\r\n", words.len());
    let request = words.iter().fold(head, |request, word| request + &format!("${}\r\n{word}\r\n", word.len()));
    connection.write_all(request.as_bytes()).await.expect("it listens");
    let mut answer = vec![0; 64 << 10];
    let length = connection.read(&mut answer).await.expect("it answers");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

fn start_server(keeper: &Keeper, port: u16, arguments: &[&str]) -> Child {
    let mut command = Command::new("redis-server");
    command
        .args(arguments)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .arg("--dir")
        .arg(keeper.folder());
    keeper.start(&mut command, "redis")
}
