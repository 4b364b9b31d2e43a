//! One process of a Sentinel set or a Redis Cluster: its files, its port, and what a test does to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::keeper::Keeper;
use crate::ports::free_port;
use crate::redis::{exchange, program};
use crate::rights::{self, ADMIN, PASSWORD};

/// A server that takes longer to answer counts as gone: it may hang.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// A server with a file of settings, which it may rewrite, and a folder of its own.
#[derive(Debug)]
pub(crate) struct RedisNode {
    address: SocketAddr,
    folder: PathBuf,
    /// What its program gets beside the file.
    mode: &'static [&'static str],
    child: Mutex<Option<Child>>,
}

impl RedisNode {
    /// Writes the files of a server that replicates and keeps its data, as `ops/redis/redis.conf` demands, with the users of
    /// a set. It is not started.
    pub(crate) fn server(keeper: &Keeper, settings: &str) -> Self {
        let node = Self::in_folder(keeper, &[]);
        let users = node.folder.join("users.acl");
        std::fs::write(&users, rights::set_users().join("\n") + "\n").expect("the folder is ours");
        node.write(&format!(
            "appendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\nmasteruser replica\n\
             masterauth {PASSWORD}\naclfile {}\n{settings}",
            users.display()
        ));
        node
    }

    /// Writes the file of a sentinel. It is not started.
    pub(crate) fn sentinel(keeper: &Keeper, settings: &str) -> Self {
        let node = Self::in_folder(keeper, &["--sentinel"]);
        node.write(settings);
        node
    }

    fn in_folder(keeper: &Keeper, mode: &'static [&'static str]) -> Self {
        let port = free_port();
        let folder = keeper.folder().join(format!("node-{port}"));
        std::fs::create_dir(&folder).expect("the folder is ours");
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), folder, mode, child: Mutex::default() }
    }

    fn write(&self, settings: &str) {
        let own = format!("port {}\nbind 127.0.0.1\ndir {}\n", self.address.port(), self.folder.display());
        std::fs::write(self.folder.join("redis.conf"), own + settings).expect("the folder is ours");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it with its files, unless it runs.
    pub(crate) fn launch(&self, keeper: &Keeper) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.is_none() {
            let mut command = Command::new(program());
            command.arg(self.folder.join("redis.conf")).args(self.mode);
            *child = Some(keeper.start(&mut command, &format!("redis-{}", self.address.port())));
        }
    }

    /// Ends it like a power cut.
    pub(crate) fn kill(&self, keeper: &Keeper) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        keeper.kill(&mut child.expect("it runs"));
    }

    /// Sends a signal: STOP lets it hang, CONT lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(id) = child.as_ref().map(Child::id) else { return };
        let script = format!("kill -s {signal} -- -{id}");
        Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status().expect("there is a shell");
    }

    /// Runs a command as the user who may do everything. Returns the raw answer, if the server is there and answers.
    pub(crate) async fn command(&self, words: &[&str]) -> Option<String> {
        let asked = async {
            let mut connection = TcpStream::connect(self.address).await.ok()?;
            exchange(&mut connection, &["AUTH", ADMIN, PASSWORD]).await.ok().filter(|answer| answer == "+OK\r\n")?;
            exchange(&mut connection, words).await.ok().filter(|answer| !answer.is_empty())
        };
        tokio::time::timeout(ANSWER_TIME, asked).await.ok().flatten()
    }

    /// A field of `INFO` or `CLUSTER INFO`.
    pub(crate) async fn field(&self, words: &[&str], field: &str) -> Option<String> {
        let answer = self.command(words).await?;
        let mut lines = answer.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| *name == field).map(|(_, value)| value.to_owned())
    }
}
