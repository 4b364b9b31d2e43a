//! The store in Redis: each question of the store as one pipeline or one script.

mod connection;
mod index;
mod rights;
mod scripts;

use std::sync::Arc;
use std::time::Duration;

use chassis::{Problem, Shutdown};
use redis::{Client, ConnectionInfo, FromRedisValue, Pipeline, RedisError, Script};

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::keys;
use crate::lookup::{LookupBatch, LookupReply};
use crate::metrics::Metrics;
use crate::server::{AppendOnlyFile, Rewriting, Server};
use crate::transaction::Write;
use connection::Connection;
pub use rights::ProcessRights;
use scripts::{COMMIT, HashWrite, IndexChange, PRUNE};

/// The store in Redis. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RedisStore(Arc<Inner>);

struct Inner {
    connection: Arc<Connection>,
    prefix: String,
    commit: Script,
    prune: Script,
}

impl RedisStore {
    pub(crate) fn start(
        address: ConnectionInfo,
        prefix: String,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, Problem> {
        let unusable = |error: RedisError| {
            let code = error.code().unwrap_or("invalid");
            Problem::new("CHANNELS_URL", format!("can't be used ({code})"), "write redis://user:password@host:6379/0")
        };
        let client = Client::open(address.set_tcp_settings(connection::tcp_settings())).map_err(unusable)?;
        let mut probe = redis::cmd("SETEX");
        probe.arg(format!("{prefix}{}", keys::PROBE)).arg(keys::PROBE_TIME.as_secs()).arg(1);
        let connection = Arc::new(Connection::new(client, probe, metrics));
        shutdown.spawn(connection::watch(connection.clone(), shutdown.clone()));
        let [commit, prune] = [COMMIT, PRUNE].map(Script::new);
        Ok(Self(Arc::new(Inner { connection, prefix, commit, prune })))
    }

    pub(crate) fn trouble(&self) -> Option<StoreError> {
        self.0.connection.trouble()
    }

    pub(crate) async fn look_up(&self, batch: &LookupBatch) -> Result<LookupReply, StoreError> {
        let mut pipeline = Pipeline::with_capacity(4 + batch.channels.len());
        pipeline.exists(self.key(keys::INITIALISED));
        pipeline.hgetall(self.key(keys::ERASURE_KEYS));
        pipeline.hgetall(self.key(keys::HELD));
        pipeline.mget(batch.marks.iter().map(|mark| self.key(mark)).collect::<Vec<_>>());
        for channel in &batch.channels {
            pipeline.hgetall(self.key(channel));
        }
        let mut values = self.query::<Vec<redis::Value>>(&pipeline).await?.into_iter();
        if !next::<bool>(&mut values)? {
            return Err(StoreError::NotInitialised);
        }
        let erasure_keys = next::<Fields>(&mut values)?;
        let held = next::<Fields>(&mut values)?;
        let marks = next::<Vec<Option<String>>>(&mut values)?;
        let channels = batch.channels.iter().map(|_| next::<Fields>(&mut values)).collect::<Result<_, _>>()?;
        Ok(LookupReply { marks, channels, erasure_keys, held })
    }

    pub(crate) async fn server(&self) -> Result<Server, StoreError> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("INFO").cmd("TIME");
        let (info, (seconds, microseconds)) = self.query::<(String, (i64, i32))>(&pipeline).await?;
        Ok(Server::read(&info, seconds, microseconds, self.loading().await?))
    }

    /// Whether the user that Redis loads its append-only file as may run the commands that the file holds.
    async fn loading(&self) -> Result<AppendOnlyFile, StoreError> {
        let channel = self.key(keys::CHANNEL);
        for replayed in [&["EXEC"][..], &["HSET", &channel, "field", "value"]] {
            let mut dry_run = redis::cmd("ACL");
            dry_run.arg("DRYRUN").arg("default").arg(replayed);
            let ask = async |mut connection| dry_run.query_async::<String>(&mut connection).await;
            match self.0.connection.ask(ask).await {
                Ok(answer) if answer == "OK" => {}
                Ok(_) => return Ok(AppendOnlyFile::Refused),
                Err(StoreError::Refused(code)) => return Ok(AppendOnlyFile::Unknown(code)),
                Err(error) => return Err(error),
            }
        }
        Ok(AppendOnlyFile::Loadable)
    }

    /// How far Redis is with rewriting its append-only file.
    pub(crate) async fn rewriting(&self) -> Result<Rewriting, StoreError> {
        let mut info = redis::cmd("INFO");
        info.arg("persistence");
        let ask = async |mut connection| info.query_async::<String>(&mut connection).await;
        self.0.connection.ask(ask).await.map(|info| Rewriting::read(&info))
    }

    /// Has Redis rewrite its append-only file. `false`: it is at it already, and may have passed what was erased since.
    pub(crate) async fn begin_rewrite(&self) -> Result<bool, StoreError> {
        let rewrite = redis::cmd("BGREWRITEAOF");
        let ask = async |mut connection| rewrite.query_async::<()>(&mut connection).await;
        match self.0.connection.ask(ask).await {
            Ok(()) => Ok(true),
            Err(StoreError::Refused(code)) if code == "ERR" => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn mark(&self, marks: Vec<String>, value: String, time: Duration) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::with_capacity(marks.len());
        for mark in &marks {
            pipeline.set_ex(self.key(mark), &value, time.as_secs()).ignore();
        }
        self.query(&pipeline).await
    }

    pub(crate) async fn read_marks(&self, marks: Vec<String>) -> Result<Vec<Option<String>>, StoreError> {
        if marks.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.mget(marks.iter().map(|mark| self.key(mark)).collect::<Vec<_>>());
        Ok(self.query::<Vec<_>>(&pipeline).await?.pop().unwrap_or_default())
    }

    pub(crate) async fn read(&self, keys: Vec<String>) -> Result<Vec<Fields>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(keys.len());
        for key in &keys {
            if keys::is_erased_mark(key) {
                pipeline.mget(&[self.key(key)]);
            } else {
                pipeline.hgetall(self.key(key));
            }
        }
        let mut values = self.query::<Vec<redis::Value>>(&pipeline).await?.into_iter();
        let read = |key: &String| {
            if !keys::is_erased_mark(key) {
                return next::<Fields>(&mut values);
            }
            let mark = next::<Vec<Option<String>>>(&mut values)?.pop().flatten();
            Ok(fields::collect([(fields::MARK, mark)]))
        };
        keys.iter().map(read).collect()
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        let mut commit = self.0.commit.prepare_invoke();
        for write in &writes {
            commit.key(self.key(&write.key)).arg(json(&HashWrite::of(write))?);
        }
        for change in IndexChange::of(&writes, chassis::now()) {
            commit.key(self.key(&change.set)).arg(json(&change)?);
        }
        if writes.iter().any(Write::is_erasing) {
            commit.key(self.key(keys::ERASED_COUNT));
        }
        self.0.connection.ask(async |mut connection| commit.invoke_async(&mut connection).await).await
    }

    /// Sends a pipeline, and returns its answers.
    async fn query<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, StoreError> {
        self.0.connection.ask(async |mut connection| pipeline.query_async(&mut connection).await).await
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.0.prefix)
    }
}

fn json(argument: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(argument).map_err(|_| StoreError::Refused("unwritable".to_owned()))
}

/// The next answer of a pipeline.
fn next<T: FromRedisValue>(values: &mut impl Iterator<Item = redis::Value>) -> Result<T, StoreError> {
    let value = values.next().ok_or_else(|| StoreError::Refused("too few answers".to_owned()))?;
    redis::from_redis_value(value).map_err(|_| StoreError::Refused("an answer of another kind".to_owned()))
}

/// Escapes the characters that have a meaning in a pattern, because a prefix may hold them.
fn glob_escaped(text: &str) -> String {
    let escape = |letter: char| {
        let backslash = matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^').then_some('\\');
        backslash.into_iter().chain([letter])
    };
    text.chars().flat_map(escape).collect()
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}
