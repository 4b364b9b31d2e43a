//! A private Redis: one for a test run, with a key prefix for each test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::keeper::Keeper;
use crate::ports::free_port;
use crate::rights::{self, PASSWORD};
use crate::{Link, eventually};

/// The file name of the list of users.
const USER_LIST: &str = "users.acl";

/// A Redis that writes every change to disk at once, as the service demands.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    arguments: Vec<String>,
    server: Mutex<Child>,
    given: AtomicUsize,
    keeper: Keeper,
}

impl Redis {
    /// The Redis that all tests of a run share. No test stops it.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Redis> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts a Redis for one test. Whoever does not log in may do everything. A process logs in (see
    /// [`as_process`](crate::as_process)), and may do what `ops/redis/users.acl` says under every prefix of the tests.
    pub async fn start() -> Self {
        let default = "user default on nopass allkeys allchannels allcommands".to_owned();
        let processes = Self::shipped_users().into_iter().filter(|line| !line.starts_with("user default "));
        let users: Vec<String> = processes.map(|line| line.replace(" ~", " ~test*:")).chain([default]).collect();
        Self::start_with_users(&users).await
    }

    /// Starts a Redis for one test with these arguments: a configuration file, and what differs from it.
    pub async fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(Keeper::new("test-redis-"), arguments).await
    }

    async fn start_in(keeper: Keeper, arguments: &[&str]) -> Self {
        let port = free_port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let server = Mutex::new(start_server(&keeper, port, &arguments));
        let redis = Self { address, arguments, server, given: AtomicUsize::new(0), keeper };
        redis.is_up().await;
        redis
    }

    /// Starts a Redis for one test with an append-only file and the users of `ops/redis/users.acl`, as the shipped
    /// configuration has them. `admin` is added and may do everything. All have [`PASSWORD`].
    pub async fn start_with_shipped_users() -> Self {
        Self::start_with_users(&Self::shipped_users()).await
    }

    /// The user list of [`Self::start_with_shipped_users`], one line for each user.
    pub fn shipped_users() -> Vec<String> {
        rights::shipped_redis_users().into_iter().chain([rights::admin()]).collect()
    }

    /// Starts a Redis for one test with an append-only file and this user list, one line for each user.
    pub async fn start_with_users(users: &[String]) -> Self {
        let keeper = Keeper::new("test-redis-");
        write_users(&keeper, users);
        let file = keeper.folder().join(USER_LIST).display().to_string();
        let stores = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
        let arguments = [&stores[..], &["--maxmemory-policy", "noeviction", "--aclfile", &file]].concat();
        Self::start_in(keeper, &arguments).await
    }

    /// Replaces the user list that the server reads at its next start.
    pub fn replace_users(&self, users: &[String]) {
        write_users(&self.keeper, users);
    }

    /// The URL for one of the users of [`Self::start_with_shipped_users`].
    pub fn url_for(&self, user: &str) -> String {
        format!("redis://{user}:{PASSWORD}@{}", self.address)
    }

    /// Ends the server like a power cut, and starts it again with its files on the same port.
    pub async fn restart(&self) {
        self.keeper.kill(&mut self.server.lock().unwrap_or_else(PoisonError::into_inner));
        let server = start_server(&self.keeper, self.address.port(), &self.arguments);
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
        self.is_up().await;
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

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// A key prefix that no other test uses.
    pub fn prefix(&self) -> String {
        format!("test{}:", self.given.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether one of its files holds this text.
    pub fn is_on_disk(&self, text: &str) -> bool {
        self.keeper.holds(text)
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
    exchange(connection, words).await.expect("it answers")
}

/// Sends a command and reads the first 64 KiB of the raw answer.
pub(crate) async fn exchange(connection: &mut TcpStream, words: &[&str]) -> std::io::Result<String> {
    let head = format!("*{}\r\n", words.len());
    let request = words.iter().fold(head, |request, word| request + &format!("${}\r\n{word}\r\n", word.len()));
    connection.write_all(request.as_bytes()).await?;
    let mut answer = vec![0; 64 << 10];
    let length = connection.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn write_users(keeper: &Keeper, users: &[String]) {
    std::fs::write(keeper.folder().join(USER_LIST), users.join("\n") + "\n").expect("the folder is ours");
}

fn start_server(keeper: &Keeper, port: u16, arguments: &[String]) -> Child {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .arg("--dir")
        .arg(keeper.folder());
    keeper.start(&mut command, "redis")
}

/// The server that is tested: `REDIS_SERVER`, which may be a Valkey, or that of the installed package.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("REDIS_SERVER").map_or_else(|| PathBuf::from("redis-server"), PathBuf::from)
}
