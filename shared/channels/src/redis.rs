//! The store in Redis: each question of the store as one pipeline or one script.

mod address;
mod bounds;
mod connection;
mod dial;
mod errors;
mod index;
mod link;
mod placement;
mod rights;
mod scripts;
mod sentinels;
mod servers;

use std::sync::Arc;
use std::time::Duration;

use chassis::{Problem, Shutdown, random};
use redis::{FromRedisValue, Pipeline, RedisError, Script};

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::keys;
use crate::lookup::{LookupBatch, LookupReply};
use crate::mark::NewMark;
use crate::metrics::Metrics;
use crate::transaction::Write;
pub(crate) use address::RedisAddress;
use connection::Connection;
use dial::Dialer;
use placement::Placement;
pub use rights::ProcessRights;
use scripts::{COMMIT, HashWrite, IndexChange, Once, PRUNE};
pub(crate) use servers::OneServer;

/// The store in Redis. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RedisStore(Arc<Inner>);

struct Inner {
    connection: Arc<Connection>,
    placement: Placement,
    commit: Script,
    prune: Script,
}

impl RedisStore {
    pub(crate) fn start(
        address: RedisAddress,
        prefix: String,
        metrics: Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, Problem> {
        let is_spread = matches!(address, RedisAddress::Cluster(_));
        let has_sentinels = matches!(address, RedisAddress::Sentinels(_));
        if is_spread && prefix.contains('{') {
            let text = "has a {, which would gather all markers on one node of the cluster";
            return Err(Problem::new("CHANNELS_KEY_PREFIX", text, "use a prefix without it"));
        }
        let unusable = |error: RedisError| {
            let code = error.code().unwrap_or("invalid");
            Problem::new("CHANNELS_URL", format!("can't be used ({code})"), "write redis://user:password@host:6379/0")
        };
        let dialer = Dialer::new(address).map_err(unusable)?;
        let placement = Placement { prefix, is_spread };
        let mut probe = Pipeline::new();
        for key in placement.probes() {
            probe.set_ex(key, 1, keys::PROBE_TIME.as_secs());
        }
        let connection = Arc::new(Connection::new(dialer, probe, metrics));
        shutdown.spawn(connection::watch(connection.clone(), shutdown.clone()));
        if has_sentinels {
            shutdown.spawn(connection::watch_primary(connection.clone(), shutdown.clone()));
        }
        let [commit, prune] = [COMMIT, PRUNE].map(Script::new);
        Ok(Self(Arc::new(Inner { connection, placement, commit, prune })))
    }

    pub(crate) fn trouble(&self) -> Option<StoreError> {
        self.0.connection.trouble()
    }

    pub(crate) async fn look_up(&self, batch: &LookupBatch) -> Result<LookupReply, StoreError> {
        let mut pipeline = Pipeline::with_capacity(4 + batch.channels.len());
        pipeline.exists(self.key(keys::INITIALISED));
        pipeline.hgetall(self.key(keys::ERASURE_KEYS));
        pipeline.hgetall(self.key(keys::HELD));
        for channel in &batch.channels {
            pipeline.hgetall(self.key(channel));
        }
        self.ask_for_marks(&mut pipeline, &batch.marks);
        let mut values = self.query(&pipeline).await?;
        if !next::<bool>(&mut values)? {
            return Err(StoreError::NotInitialised);
        }
        let erasure_keys = next::<Fields>(&mut values)?;
        let held = next::<Fields>(&mut values)?;
        let channels = batch.channels.iter().map(|_| next::<Fields>(&mut values)).collect::<Result<_, _>>()?;
        Ok(LookupReply { marks: self.marks(&batch.marks, &mut values)?, channels, erasure_keys, held })
    }

    pub(crate) async fn set_marks(&self, marks: Vec<NewMark>, time: Duration) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::with_capacity(marks.len());
        for mark in &marks {
            pipeline.set_ex(self.key(&mark.key), &mark.value, time.as_secs());
        }
        self.query(&pipeline).await.map(drop)
    }

    pub(crate) async fn remove_marks(&self, marks: Vec<String>) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::with_capacity(marks.len());
        for mark in &marks {
            pipeline.del(self.key(mark));
        }
        self.query(&pipeline).await.map(drop)
    }

    pub(crate) async fn read_marks(&self, marks: Vec<String>) -> Result<Vec<Option<String>>, StoreError> {
        let mut pipeline = Pipeline::with_capacity(1);
        self.ask_for_marks(&mut pipeline, &marks);
        self.marks(&marks, &mut self.query(&pipeline).await?)
    }

    /// Asks for markers: for all at once, or in a cluster for each alone. While a slot moves, a command with several keys is
    /// refused, and one with a single key is not.
    fn ask_for_marks(&self, pipeline: &mut Pipeline, marks: &[String]) {
        for group in self.groups(marks) {
            pipeline.mget(group.iter().map(|mark| self.key(mark)).collect::<Vec<_>>());
        }
    }

    /// The markers that were asked for, in their order.
    fn marks(&self, marks: &[String], values: &mut Values) -> Result<Vec<Option<String>>, StoreError> {
        let mut found = Vec::with_capacity(marks.len());
        for _ in self.groups(marks) {
            found.extend(next::<Vec<Option<String>>>(values)?);
        }
        Ok(found)
    }

    fn groups<'a>(&self, marks: &'a [String]) -> impl Iterator<Item = &'a [String]> {
        marks.chunks(if self.0.placement.is_spread { 1 } else { marks.len().max(1) })
    }

    pub(crate) async fn read(&self, keys: Vec<String>) -> Result<Vec<Fields>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(keys.len());
        for key in &keys {
            if keys::is_text(key) {
                pipeline.mget(&[self.key(key)]);
            } else {
                pipeline.hgetall(self.key(key));
            }
        }
        let mut values = self.query(&pipeline).await?;
        let read = |key: &String| {
            if !keys::is_text(key) {
                return next::<Fields>(&mut values);
            }
            let mark = next::<Vec<Option<String>>>(&mut values)?.pop().flatten();
            Ok(fields::collect([(fields::MARK, mark)]))
        };
        keys.iter().map(read).collect()
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        let mut commit = self.0.commit.prepare_invoke();
        if self.0.placement.is_spread {
            commit.key(self.key(&keys::commit(&hex::encode(random::<16>())))).arg(json(&Once::default())?);
        }
        for write in &writes {
            commit.key(self.key(&write.key)).arg(json(&HashWrite::of(write))?);
        }
        for change in IndexChange::of(&writes, chassis::now()) {
            commit.key(self.key(&change.set)).arg(json(&change)?);
        }
        if writes.iter().any(Write::is_erasing) {
            commit.key(self.key(keys::ERASED_COUNT));
        }
        self.0.connection.ask(async |mut link| commit.invoke_async(&mut link).await).await
    }

    /// Sends commands, and returns their answers. Those of a cluster may be carried out in another order.
    async fn query(&self, commands: &Pipeline) -> Result<Values, StoreError> {
        self.0.connection.ask(async |link| link.send(commands).await).await.map(Vec::into_iter)
    }

    fn key(&self, key: &str) -> String {
        self.0.placement.key(key)
    }
}

/// The answers to several commands.
type Values = std::vec::IntoIter<redis::Value>;

fn json(argument: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(argument).map_err(|_| StoreError::Refused("unwritable".to_owned()))
}

/// The next answer of a pipeline.
fn next<T: FromRedisValue>(values: &mut Values) -> Result<T, StoreError> {
    read(values.next().ok_or_else(|| StoreError::Refused("too few answers".to_owned()))?)
}

fn read<T: FromRedisValue>(value: redis::Value) -> Result<T, StoreError> {
    redis::from_redis_value(value).map_err(|_| StoreError::Refused("an answer of another kind".to_owned()))
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("placement", &self.0.placement).finish_non_exhaustive()
    }
}
