//! The store in a file, for one machine: the same questions as Redis answers, in transactions that share a commit.

use std::path::Path;
use std::time::Duration;

use chassis::{Problem, Shutdown};
use sqlite::{Connection, Health, OptionalExtension as _, Writer, params};

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::index::Index;
use crate::keys;
use crate::lookup::{LookupBatch, LookupReply};
use crate::mark::NewMark;
use crate::transaction::Write;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entry (
        key        TEXT PRIMARY KEY,
        fields     TEXT NOT NULL,    -- JSON object
        expires_at INTEGER NOT NULL  -- ms by the database's own time
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entry_expiry ON entry (expires_at);
";

/// The store in a folder. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    writer: Writer,
}

impl Embedded {
    pub(crate) fn open(folder: &Path, shutdown: &Shutdown) -> Result<Self, Problem> {
        let database = sqlite::open(folder, "channels.db", SCHEMA).map_err(|error| {
            let right = format!("{} must be a folder that this process may write to", folder.display());
            Problem::new("CHANNELS_URL", format!("can't be opened ({error})"), right)
        })?;
        Ok(Self { writer: Writer::spawn(database, remove_expired, shutdown) })
    }

    /// What is wrong with the file, by the last commit and by its place.
    pub(crate) fn trouble(&self) -> Option<StoreError> {
        let wrong = match *self.writer.health().borrow() {
            Health::Working => return None,
            Health::Full => "the disk is full",
            Health::Failing => "the last commit failed",
            Health::Replaced => "channels.db was deleted or replaced",
            Health::Damaged => "channels.db is damaged",
        };
        Some(StoreError::Files(wrong.to_owned()))
    }

    pub(crate) async fn look_up(&self, batch: &LookupBatch) -> Result<LookupReply, StoreError> {
        let marks = batch.marks.clone();
        let channels = batch.channels.clone();
        let seen = self.ask(move |database, now| {
            if read(database, keys::INITIALISED, now)?.is_none() {
                return Ok(None);
            }
            let marks = marks.iter().map(|key| read(database, key, now).map(|fields| fields.map(value)));
            let channels = channels.iter().map(|key| read(database, key, now).map(Option::unwrap_or_default));
            Ok(Some(LookupReply {
                marks: marks.collect::<sqlite::Result<_>>()?,
                channels: channels.collect::<sqlite::Result<_>>()?,
                erasure_keys: read_hash(database, keys::ERASURE_KEYS, now)?,
                held: read_hash(database, keys::HELD, now)?,
            }))
        });
        seen.await?.ok_or(StoreError::NotInitialised)
    }

    pub(crate) async fn set_marks(&self, marks: Vec<NewMark>, time: Duration) -> Result<(), StoreError> {
        let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.change(move |database, now| {
            for NewMark { key, value } in marks {
                let fields = fields::collect([(fields::MARK, Some(value))]);
                put(database, &key, &fields, now.saturating_add(time))?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn remove_marks(&self, marks: Vec<String>) -> Result<(), StoreError> {
        self.change(move |database, _| marks.iter().try_for_each(|key| remove(database, key))).await
    }

    pub(crate) async fn read_marks(&self, marks: Vec<String>) -> Result<Vec<Option<String>>, StoreError> {
        self.ask(move |database, now| {
            marks.iter().map(|key| Ok(read(database, key, now)?.map(value))).collect::<sqlite::Result<_>>()
        })
        .await
    }

    pub(crate) async fn read(&self, keys: Vec<String>) -> Result<Vec<Fields>, StoreError> {
        self.ask(move |database, now| keys.iter().map(|key| read_hash(database, key, now)).collect()).await
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        self.change(move |database, now| {
            for write in &writes {
                if read_hash(database, &write.key, now)? != write.before {
                    return Ok(false);
                }
            }
            for write in &writes {
                if write.after.is_empty() {
                    remove(database, &write.key)?;
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

    /// Every key that an index may name, sorted.
    pub(crate) async fn members(&self, index: &Index) -> Result<Vec<String>, StoreError> {
        let beginnings = index.beginnings();
        self.ask(move |database, now| {
            let mut keys = Vec::new();
            for beginning in beginnings {
                keys.extend(keys_from(database, beginning, now)?);
            }
            Ok(keys)
        })
        .await
    }

    /// The markers of erasures and their values.
    pub(crate) async fn erasures(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.ask(move |database, now| {
            let keys = keys_from(database, keys::ERASED, now)?.into_iter();
            let marks = keys.map(|key| Ok(read(database, &key, now)?.map(|fields| (key, value(fields)))));
            Ok(marks.collect::<sqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
        })
        .await
    }

    /// Keys are found without any index.
    #[expect(clippy::unused_async, reason = "the other back end has to ask")]
    pub(crate) async fn build_indexes(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Keys that are gone are in no index.
    #[expect(clippy::unused_async, reason = "the other back end has to ask")]
    pub(crate) async fn prune(&self, _index: &Index, _gone: Vec<String>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the answer once everything that it rests on is on disk.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection, i64) -> sqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.read(question).await.map_err(|error| StoreError::Files(error.to_string()))
    }

    /// Returns the answer once what was written is on disk, where the next process will find it.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection, i64) -> sqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(change).await.map_err(|error| StoreError::Files(error.to_string()))
    }
}

fn remove_expired(database: &Connection, now: i64) -> sqlite::Result<()> {
    database.prepare_cached("DELETE FROM entry WHERE expires_at <= ?")?.execute([now]).map(drop)
}

fn read(database: &Connection, key: &str, now: i64) -> sqlite::Result<Option<Fields>> {
    let mut fields = database.prepare_cached("SELECT fields FROM entry WHERE key = ? AND expires_at > ?")?;
    let fields: Option<String> = fields.query_row(params![key, now], |row| row.get(0)).optional()?;
    fields.map(|json| serde_json::from_str(&json).map_err(unreadable)).transpose()
}

/// A hash; an erasure's marker has its field even if an older release wrote it without.
fn read_hash(database: &Connection, key: &str, now: i64) -> sqlite::Result<Fields> {
    let mut fields = read(database, key, now)?;
    if let Some(marker) = fields.as_mut().filter(|_| keys::is_erased_mark(key)) {
        marker.entry(fields::MARK.to_owned()).or_default();
    }
    Ok(fields.unwrap_or_default())
}

/// The keys that begin with `beginning`, which ends with a colon, sorted.
fn keys_from(database: &Connection, beginning: &str, now: i64) -> sqlite::Result<Vec<String>> {
    // A semicolon follows a colon, so this range of the primary key holds them and nothing else.
    let end = format!("{};", beginning.trim_end_matches(':'));
    let mut keys = database
        .prepare_cached("SELECT key FROM entry WHERE key >= ?1 AND key < ?2 AND expires_at > ?3 ORDER BY key")?;
    keys.query_map(params![beginning, end, now], |row| row.get(0))?.collect()
}

/// A marker's value. Those of an older release had none.
fn value(mut marker: Fields) -> String {
    marker.remove(fields::MARK).unwrap_or_default()
}

fn put(database: &Connection, key: &str, fields: &Fields, expires_at: i64) -> sqlite::Result<()> {
    let json = serde_json::to_string(fields).map_err(unreadable)?;
    let mut put = database.prepare_cached("INSERT OR REPLACE INTO entry (key, fields, expires_at) VALUES (?, ?, ?)")?;
    put.execute(params![key, json, expires_at]).map(drop)
}

fn remove(database: &Connection, key: &str) -> sqlite::Result<()> {
    database.prepare_cached("DELETE FROM entry WHERE key = ?")?.execute([key]).map(drop)
}

fn unreadable(error: serde_json::Error) -> sqlite::Error {
    sqlite::Error::ToSqlConversionFailure(Box::new(error))
}
