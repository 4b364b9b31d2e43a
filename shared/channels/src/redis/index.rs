//! The index sets in Redis. Where an older release has left none they are made once, from a scan of all keys; after that
//! every commit keeps them.

use redis::Pipeline;
use tracing::info;

use super::RedisStore;
use super::scripts::COMPLETE;
use crate::error::StoreError;
use crate::index::{self, Index};
use crate::keys;

/// How many keys one step of a scan looks at.
const SCAN_COUNT: usize = 500;
/// How many hashes are read at once while the sets are made.
const BATCH: usize = 500;
/// The first letters of the keys that an index names. The many markers of deliveries have another.
const FIRST_LETTERS: &str = "[cestu]*";

impl RedisStore {
    /// The keys in an index, sorted, without our prefix.
    pub(crate) async fn members(&self, index: &Index) -> Result<Vec<String>, StoreError> {
        let is_named = |key: &str| index.beginnings().iter().any(|beginning| key.starts_with(beginning));
        self.named_in(&[index.set()], is_named).await
    }

    /// The markers of erasures and their values.
    pub(crate) async fn erasures(&self) -> Result<Vec<(String, String)>, StoreError> {
        let marks = self.named_in(&index::erased_lately(chassis::now()), keys::is_erased_mark).await?;
        let mut erasures = Vec::with_capacity(marks.len());
        for keys in marks.chunks(BATCH) {
            let values = self.read_marks(keys.to_vec()).await?;
            erasures.extend(keys.iter().cloned().zip(values).filter_map(|(key, value)| Some((key, value?))));
        }
        Ok(erasures)
    }

    /// Rebuilds the sets: what they lack is added. What is no longer there leaves when somebody next looks for it.
    pub(crate) async fn build_indexes(&self) -> Result<(), StoreError> {
        // No release that makes no index ever used a cluster.
        if self.0.placement.is_spread {
            return self.note_complete().await;
        }
        let today = index::erased_on(chassis::now());
        let all = self.scan().await?;
        for keys in all.chunks(BATCH) {
            let mut sets = Pipeline::new();
            let (marks, hashes): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|key| keys::is_erased_mark(key));
            for mark in &marks {
                sets.sadd(self.key(&today), mark);
                sets.expire(self.key(&today), seconds(keys::ERASED_TIME.as_secs()));
            }
            for (key, fields) in hashes.iter().zip(self.read(hashes.clone()).await?) {
                for index in Index::of(key, &fields) {
                    sets.sadd(self.key(&index.set()), key);
                    if let Some(time) = index.time() {
                        sets.expire(self.key(&index.set()), seconds(time.as_secs()));
                    }
                }
            }
            if !sets.is_empty() {
                self.query(&sets).await?;
            }
        }
        self.note_complete().await?;
        info!(keys = all.len(), "Made the indexes of the channel store from a scan of its keys");
        Ok(())
    }

    async fn note_complete(&self) -> Result<(), StoreError> {
        let mut complete = Pipeline::with_capacity(1);
        complete.sadd(self.key(keys::ALL_CHANNELS), COMPLETE);
        self.query(&complete).await.map(drop)
    }

    /// Removes from an index the names of hashes that are gone.
    pub(crate) async fn prune(&self, index: &Index, gone: Vec<String>) -> Result<(), StoreError> {
        let mut prune = self.0.prune.prepare_invoke();
        prune.key(self.key(&index.set()));
        for key in &gone {
            prune.key(self.key(key)).arg(key);
        }
        self.0.connection.ask(async |mut connection| prune.invoke_async(&mut connection).await).await
    }

    /// The keys in these sets, which are made first where an older release has left none. A Redis whose user may not use
    /// sets, by a user list of an older release, or that takes no writes, is scanned.
    async fn named_in(&self, sets: &[String], is_named: impl Fn(&str) -> bool) -> Result<Vec<String>, StoreError> {
        let mut read = self.read_sets(sets).await;
        if read == Ok(None) {
            read = match self.build_indexes().await {
                Ok(()) => self.read_sets(sets).await,
                Err(error) => Err(error),
            };
        }
        let mut found = match read {
            Ok(found) => found.unwrap_or_default(),
            Err(StoreError::Refused(_)) if !self.0.placement.is_spread => self.scan().await?,
            Err(error) => return Err(error),
        };
        found.retain(|key| is_named(key));
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// What is in these sets; `None` if nobody has made them yet.
    async fn read_sets(&self, sets: &[String]) -> Result<Option<Vec<String>>, StoreError> {
        let mut pipeline = Pipeline::with_capacity(1 + sets.len());
        pipeline.sismember(self.key(keys::ALL_CHANNELS), COMPLETE);
        for set in sets {
            pipeline.smembers(self.key(set));
        }
        let mut values = self.query(&pipeline).await?;
        if !super::next::<bool>(&mut values)? {
            return Ok(None);
        }
        let mut found = Vec::new();
        for _ in sets {
            found.extend(super::next::<Vec<String>>(&mut values)?);
        }
        Ok(Some(found))
    }

    /// The keys that may be named in an index, without our prefix.
    async fn scan(&self) -> Result<Vec<String>, StoreError> {
        let prefix = &self.0.placement.prefix;
        let pattern = format!("{}{FIRST_LETTERS}", glob_escaped(prefix));
        let is_indexed = |key: &String| {
            let beginnings = [keys::CHANNEL, keys::TICKET, keys::SESSION, keys::REMOVED_OF];
            beginnings.iter().any(|beginning| key.starts_with(beginning)) || keys::is_erased_mark(key)
        };
        let mut found = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_COUNT);
            let ask = async |mut connection| scan.query_async::<(u64, Vec<String>)>(&mut connection).await;
            let (next, keys) = self.0.connection.ask(ask).await?;
            let keys = keys.iter().filter_map(|key| key.strip_prefix(prefix)).map(str::to_owned);
            found.extend(keys.filter(is_indexed));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// Escapes the characters that have a meaning in a pattern, because a prefix may hold them.
fn glob_escaped(text: &str) -> String {
    let escape = |letter: char| {
        let backslash = matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^').then_some('\\');
        backslash.into_iter().chain([letter])
    };
    text.chars().flat_map(escape).collect()
}
