//! Redis: one connection, made again when it breaks; every question has a bound, and a failure a name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chassis::{Problem, Shutdown};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, Pipeline, RedisError, RedisResult, Script};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::changes::Write;
use crate::record::Fields;
use crate::store::{Asked, Seen};
use crate::{AppendOnlyFile, Metrics, Server, StoreError, keys};

/// A Redis that takes longer is as good as away.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// Those who ask while it is away are refused at once for so long, instead of each waiting for its own attempt.
const AWAY_TIME: Duration = Duration::from_millis(200);
/// How often an idle connection is tried, so that readiness and metrics tell the truth.
const TRY_PERIOD: Duration = Duration::from_secs(2);
/// Keys that one step of a scan looks at.
const SCAN_COUNT: usize = 500;

/// Compares every hash with what was read, then replaces them, or none.
const COMMIT: &str = r"
local writes = {}
for i, key in ipairs(KEYS) do
  local write, fields = cjson.decode(ARGV[i]), redis.call('HGETALL', key)
  local count = 0
  for _ in pairs(write.before) do count = count + 1 end
  if #fields ~= 2 * count then return 0 end
  for j = 1, #fields, 2 do
    if write.before[fields[j]] ~= fields[j + 1] then return 0 end
  end
  writes[i] = write
end
for i, key in ipairs(KEYS) do
  redis.call('DEL', key)
  for field, value in pairs(writes[i].after) do redis.call('HSET', key, field, value) end
  if writes[i].expires > 0 then redis.call('EXPIRE', key, writes[i].expires) end
end
return 1
";

/// The store in Redis.
#[derive(Clone)]
pub(crate) struct Remote(Arc<Inner>);

struct Inner {
    client: Client,
    prefix: String,
    link: Mutex<Link>,
    is_connected: AtomicBool,
    commit: Script,
    metrics: Metrics,
}

/// The connection, counted, so that who saw an old one break does not throw away its successor.
#[derive(Default)]
struct Link {
    connection: Option<MultiplexedConnection>,
    generation: u64,
    failed: Option<(Instant, StoreError)>,
}

impl Remote {
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
        let client = Client::open(address).map_err(unusable)?;
        let (link, is_connected, commit) = (Mutex::default(), AtomicBool::new(false), Script::new(COMMIT));
        let remote = Self(Arc::new(Inner { client, prefix, link, is_connected, commit, metrics }));
        shutdown.spawn(watch(remote.clone(), shutdown.clone()));
        Ok(remote)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.0.is_connected.load(Ordering::Relaxed)
    }

    pub(crate) async fn look_up(&self, asked: &Asked) -> Result<Seen, StoreError> {
        let mut pipeline = Pipeline::with_capacity(2 + asked.channels.len());
        pipeline.exists(self.key(keys::INITIALISED));
        pipeline.mget(asked.marks.iter().map(|mark| self.key(mark)).collect::<Vec<_>>());
        for channel in &asked.channels {
            pipeline.hgetall(self.key(channel));
        }
        let ask = async |mut connection| pipeline.query_async::<Vec<redis::Value>>(&mut connection).await;
        let mut values = self.ask(ask).await?.into_iter();
        if !next::<bool>(&mut values)? {
            return Err(StoreError::NotInitialised);
        }
        let marks = next::<Vec<redis::Value>>(&mut values)?.into_iter().map(|mark| mark != redis::Value::Nil).collect();
        let channels = asked.channels.iter().map(|_| next::<Fields>(&mut values)).collect::<Result<_, _>>()?;
        Ok(Seen { marks, channels })
    }

    pub(crate) async fn server(&self) -> Result<Server, StoreError> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("INFO").cmd("TIME");
        let ask = async |mut connection| pipeline.query_async::<(String, (i64, i32))>(&mut connection).await;
        let (info, (seconds, microseconds)) = self.ask(ask).await?;
        Ok(Server::read(&info, seconds, microseconds, self.loading().await?))
    }

    /// Whether the user that Redis loads its append-only file as may do what the file holds.
    async fn loading(&self) -> Result<AppendOnlyFile, StoreError> {
        let channel = self.key(keys::CHANNEL);
        for replayed in [&["EXEC"][..], &["HSET", &channel, "field", "value"]] {
            let mut dry_run = redis::cmd("ACL");
            dry_run.arg("DRYRUN").arg("default").arg(replayed);
            match self.ask(async |mut connection| dry_run.query_async::<String>(&mut connection).await).await {
                Ok(answer) if answer == "OK" => {}
                Ok(_) => return Ok(AppendOnlyFile::Refused),
                Err(StoreError::Refused(code)) => return Ok(AppendOnlyFile::Unknown(code)),
                Err(error) => return Err(error),
            }
        }
        Ok(AppendOnlyFile::Loadable)
    }

    pub(crate) async fn mark(&self, marks: Vec<String>, time: Duration) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::with_capacity(marks.len());
        for mark in &marks {
            pipeline.set_ex(self.key(mark), 1, time.as_secs()).ignore();
        }
        self.ask(async |mut connection| pipeline.query_async(&mut connection).await).await
    }

    pub(crate) async fn unmark(&self, marks: Vec<String>) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::with_capacity(marks.len());
        for mark in &marks {
            pipeline.del(self.key(mark)).ignore();
        }
        self.ask(async |mut connection| pipeline.query_async(&mut connection).await).await
    }

    pub(crate) async fn read(&self, keys: Vec<String>) -> Result<Vec<Fields>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(keys.len());
        for key in &keys {
            pipeline.hgetall(self.key(key));
        }
        self.ask(async |mut connection| pipeline.query_async(&mut connection).await).await
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        let mut commit = self.0.commit.prepare_invoke();
        for write in &writes {
            let json = serde_json::to_string(write).map_err(|_| StoreError::Refused("unwritable".to_owned()))?;
            commit.key(self.key(&write.key)).arg(json);
        }
        self.ask(async |mut connection| commit.invoke_async(&mut connection).await).await
    }

    /// The keys that begin so, sorted, without our prefix.
    pub(crate) async fn keys(&self, beginning: &'static str) -> Result<Vec<String>, StoreError> {
        let pattern = format!("{}*", glob_escaped(&self.key(beginning)));
        let (mut found, mut cursor) = (Vec::new(), 0_u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
            let ask = async |mut connection| scan.query_async::<(u64, Vec<String>)>(&mut connection).await;
            let (next, keys) = self.ask(ask).await?;
            found.extend(keys.iter().filter_map(|key| key.strip_prefix(&self.0.prefix)).map(str::to_owned));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.0.prefix)
    }

    /// Asks over the connection of the moment; one that broke is thrown away.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let (connection, generation) = self.connection().await?;
        match question(connection).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let named = named(&error);
                if matches!(named, StoreError::Away | StoreError::TimedOut) {
                    self.lost(generation, &named).await;
                }
                Err(named)
            }
        }
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), StoreError> {
        let mut link = self.0.link.lock().await;
        if let Some(connection) = &link.connection {
            return Ok((connection.clone(), link.generation));
        }
        if let Some((at, error)) = &link.failed
            && at.elapsed() < AWAY_TIME
        {
            return Err(error.clone());
        }
        let times = AsyncConnectionConfig::new();
        let times = times.set_connection_timeout(Some(ANSWER_TIME)).set_response_timeout(Some(ANSWER_TIME));
        match self.0.client.get_multiplexed_async_connection_with_config(&times).await {
            Ok(connection) => {
                link.connection = Some(connection.clone());
                link.generation += 1;
                if link.failed.take().is_some() {
                    info!("The channel store can be reached again");
                }
                self.connected(true);
                Ok((connection, link.generation))
            }
            Err(error) => {
                let named = named(&error);
                if link.failed.is_none() {
                    warn!(error = %named, "The channel store failed: {named}");
                }
                link.failed = Some((Instant::now(), named.clone()));
                self.connected(false);
                Err(named)
            }
        }
    }

    async fn lost(&self, generation: u64, error: &StoreError) {
        let mut link = self.0.link.lock().await;
        if link.generation == generation && link.connection.take().is_some() {
            warn!(%error, "The channel store failed: {error}");
            link.failed = Some((Instant::now(), error.clone()));
            self.connected(false);
        }
    }

    fn connected(&self, is_connected: bool) {
        self.0.is_connected.store(is_connected, Ordering::Relaxed);
        self.0.metrics.connected(is_connected);
    }
}

/// Tries the connection now and then.
async fn watch(remote: Remote, shutdown: Shutdown) {
    loop {
        let ping = async |mut connection| redis::cmd("PING").query_async::<()>(&mut connection).await;
        // What went wrong is logged and counted where the connection is kept.
        remote.ask(ping).await.ok();
        if !shutdown.pause(TRY_PERIOD).await {
            return;
        }
    }
}

/// The next of a pipeline's answers.
fn next<T: redis::FromRedisValue>(values: &mut impl Iterator<Item = redis::Value>) -> Result<T, StoreError> {
    let value = values.next().ok_or_else(|| StoreError::Refused("too few answers".to_owned()))?;
    redis::from_redis_value(value).map_err(|_| StoreError::Refused("an answer of another kind".to_owned()))
}

/// Only what is safe to show: the texts of Redis may repeat what was sent.
fn named(error: &RedisError) -> StoreError {
    if error.is_timeout() {
        return StoreError::TimedOut;
    }
    if error.is_io_error() || error.is_connection_dropped() || error.is_connection_refusal() {
        return StoreError::Away;
    }
    StoreError::Refused(error.code().map_or_else(|| error.category().to_owned(), str::to_owned))
}

/// A prefix may hold what a pattern gives a meaning to.
fn glob_escaped(text: &str) -> String {
    let escape = |letter: char| {
        let backslash = matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^').then_some('\\');
        backslash.into_iter().chain([letter])
    };
    text.chars().flat_map(escape).collect()
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}
