//! The store in a file, for one machine: the same questions, answered by one task that shares a commit among many.

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use chassis::{Problem, Shutdown, now};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::fields::Fields;
use crate::keys;
use crate::lookup::{LookupBatch as Asked, LookupReply as Seen};
use crate::transaction::Write;

/// How long to wait for another process that writes (`ops` beside a running service).
const BUSY_TIME: Duration = Duration::from_secs(5);
/// Questions that share one commit.
const GROUP_MAX: usize = 256;
/// Questions that wait; beyond it askers wait.
const QUESTIONS_MAX: usize = 1_024;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entry (
        key        TEXT PRIMARY KEY,
        fields     TEXT NOT NULL,    -- JSON object; a marker's is empty
        expires_at INTEGER NOT NULL  -- ms since 1970
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entry_expiry ON entry (expires_at);
";

/// The store in a folder. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    questions: mpsc::Sender<Question>,
}

/// Runs inside a transaction, at a time (ms since 1970).
type Question = Box<dyn FnOnce(&Connection, i64) -> rusqlite::Result<Reply> + Send>;
/// Tells the asker, once it is on disk.
type Reply = Box<dyn FnOnce() + Send>;

impl Embedded {
    pub(crate) fn open(folder: &Path, shutdown: &Shutdown) -> Result<Self, Problem> {
        let database = open(folder).map_err(|error| {
            let right = format!("{} must be a folder that this process may write to", folder.display());
            Problem::new("CHANNELS_URL", format!("can't be opened ({error})"), right)
        })?;
        let (questions, receiver) = mpsc::channel(QUESTIONS_MAX);
        shutdown.spawn(answer(database, receiver));
        Ok(Self { questions })
    }

    pub(crate) async fn look_up(&self, asked: &Asked) -> Result<Seen, StoreError> {
        let (marks, channels) = (asked.marks.clone(), asked.channels.clone());
        let seen = self.ask(move |database, now| {
            if read(database, keys::INITIALISED, now)?.is_none() {
                return Ok(None);
            }
            let marks = marks.iter().map(|key| read(database, key, now).map(|fields| fields.is_some()));
            let channels = channels.iter().map(|key| read(database, key, now).map(Option::unwrap_or_default));
            Ok(Some(Seen {
                marks: marks.collect::<rusqlite::Result<_>>()?,
                channels: channels.collect::<rusqlite::Result<_>>()?,
            }))
        });
        seen.await?.ok_or(StoreError::NotInitialised)
    }

    pub(crate) async fn mark(&self, marks: Vec<String>, time: Duration) -> Result<(), StoreError> {
        let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.ask(move |database, now| {
            marks.iter().try_for_each(|key| put(database, key, &Fields::new(), now.saturating_add(time)))
        })
        .await
    }

    pub(crate) async fn unmark(&self, marks: Vec<String>) -> Result<(), StoreError> {
        self.ask(move |database, _| {
            let mut delete = database.prepare_cached("DELETE FROM entry WHERE key = ?")?;
            marks.iter().try_for_each(|key| delete.execute([key]).map(drop))
        })
        .await
    }

    pub(crate) async fn read(&self, keys: Vec<String>) -> Result<Vec<Fields>, StoreError> {
        self.ask(move |database, now| {
            keys.iter().map(|key| Ok(read(database, key, now)?.unwrap_or_default())).collect()
        })
        .await
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        self.ask(move |database, now| {
            for write in &writes {
                if read(database, &write.key, now)?.unwrap_or_default() != write.before {
                    return Ok(false);
                }
            }
            for write in &writes {
                if write.after.is_empty() {
                    database.prepare_cached("DELETE FROM entry WHERE key = ?")?.execute([&write.key])?;
                    continue;
                }
                let seconds = i64::try_from(write.expires).unwrap_or(i64::MAX);
                let expires_at =
                    if seconds == 0 { i64::MAX } else { now.saturating_add(seconds.saturating_mul(1_000)) };
                put(database, &write.key, &write.after, expires_at)?;
            }
            Ok(true)
        })
        .await
    }

    pub(crate) async fn keys(&self, beginning: &'static str) -> Result<Vec<String>, StoreError> {
        self.ask(move |database, now| {
            let mut keys = database.prepare_cached(
                "SELECT key FROM entry WHERE substr(key, 1, length(?1)) = ?1 AND expires_at > ?2 ORDER BY key",
            )?;
            keys.query_map(params![beginning, now], |row| row.get(0))?.collect()
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection, i64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |database, now| {
            let found = question(database, now)?;
            Ok(Box::new(move || drop(reply.send(found))) as Reply)
        });
        let stopped = || StoreError::Files("the disk failed or the process stops; see the log".to_owned());
        self.questions.send(question).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())
    }
}

/// Answers until every asker is gone. Nobody is told before what was asked for is on disk.
async fn answer(mut database: Connection, mut questions: mpsc::Receiver<Question>) {
    let mut group = Vec::new();
    while questions.recv_many(&mut group, GROUP_MAX).await > 0 {
        let (asked, now) = (std::mem::take(&mut group), now().as_millisecond());
        let work = tokio::task::spawn_blocking(move || {
            let replies = commit(&mut database, asked, now);
            (database, replies)
        });
        let replies;
        (database, replies) = match work.await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        match replies {
            Ok(replies) => replies.into_iter().for_each(|tell| tell()),
            Err(error) => tracing::error!(%error, "The channel store's files failed: {error}"),
        }
    }
}

/// A transaction that only reads costs no fsync.
fn commit(database: &mut Connection, group: Vec<Question>, now: i64) -> rusqlite::Result<Vec<Reply>> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.prepare_cached("DELETE FROM entry WHERE expires_at <= ?")?.execute([now])?;
    let replies = group.into_iter().map(|question| question(&transaction, now)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(replies)
}

fn read(database: &Connection, key: &str, now: i64) -> rusqlite::Result<Option<Fields>> {
    let mut fields = database.prepare_cached("SELECT fields FROM entry WHERE key = ? AND expires_at > ?")?;
    let fields: Option<String> = fields.query_row(params![key, now], |row| row.get(0)).optional()?;
    fields.map(|json| serde_json::from_str(&json).map_err(unreadable)).transpose()
}

fn put(database: &Connection, key: &str, fields: &Fields, expires_at: i64) -> rusqlite::Result<()> {
    let json = serde_json::to_string(fields).map_err(unreadable)?;
    let mut put = database.prepare_cached("INSERT OR REPLACE INTO entry (key, fields, expires_at) VALUES (?, ?, ?)")?;
    put.execute(params![key, json, expires_at]).map(drop)
}

fn unreadable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// Opens `channels.db` in the folder, making both if needed.
fn open(folder: &Path) -> rusqlite::Result<Connection> {
    let io = |error: std::io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    let path = folder.join("channels.db");
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(io)?;
    let database = Connection::open(&path)?;
    database.busy_timeout(BUSY_TIME)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    // A marker is on disk when it counts as written; a record even more so: it is the only copy of a token.
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "secure_delete", "ON")?;
    database.execute_batch(SCHEMA)?;
    Ok(database)
}
