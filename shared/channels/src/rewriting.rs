//! The end of what was erased in Redis' append-only file: Redis still has it there, until it rewrites the file.
//!
//! Redis does that by itself when the file has doubled, which on a quiet store is never. So every commit that erases
//! something is counted, and a dispatcher asks for a rewrite if the count has changed since the last one. A replica has a
//! file, too: all servers are asked, one after the other. One that can't be reached has its turn with the next rewrite, at
//! the latest a day later.

use std::time::Duration;

use chassis::{Shutdown, now};
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use crate::error::StoreError;
use crate::fields::{self, Fields};
use crate::keys;
use crate::maintenance::Lease;
use crate::redis::OneServer;
use crate::server::Rewriting;
use crate::store::ChannelStore;
use crate::transaction::Lifetime;
use crate::update::Decision;

/// How often to look whether something was erased.
const LOOK_PERIOD: Duration = Duration::from_secs(20);
/// The shortest time between two rewrites. A large store keeps a core and the disk busy for some seconds.
const REWRITE_PERIOD_MIN: SignedDuration = SignedDuration::from_mins(15);
/// The longest time: what expires by itself (links, sessions, markers) is not counted.
const REWRITE_PERIOD_MAX: SignedDuration = SignedDuration::from_hours(24);
/// How long Redis may take for a rewrite. Nobody else asks for one meanwhile.
const REWRITE_TIME: Duration = Duration::from_mins(10);
/// How often to look whether it is done.
const PROGRESS_PERIOD: Duration = Duration::from_millis(500);

impl ChannelStore {
    /// Has Redis rewrite its append-only file after something was erased, until the process stops. A store in files
    /// needs no such help. Several processes may do this; one at a time asks Redis, under the name of `holder`.
    pub async fn forget_what_was_erased(self, holder: String, shutdown: Shutdown) {
        let mut complaint = None;
        loop {
            let trouble = self.rewrite_if_due(&holder, &shutdown).await.err();
            // A Redis that is away is reported by its connection.
            if let Some(error) = &trouble
                && *error != StoreError::Away
                && trouble != complaint
            {
                warn!(%error, "Redis did not rewrite its append-only file, so it still holds what was erased");
            }
            complaint = trouble;
            if !shutdown.pause(LOOK_PERIOD).await {
                return;
            }
        }
    }

    /// Returns whether the file was rewritten.
    async fn rewrite_if_due(&self, holder: &str, shutdown: &Shutdown) -> Result<bool, StoreError> {
        // A Redis that could not load its file seems to be empty, and the file is the only copy of what it forgot.
        if !self.is_initialised().await? {
            return Ok(false);
        }
        let erased = self.read_one(keys::ERASED_COUNT.to_owned()).await?;
        let rewritten = self.read_one(keys::REWRITTEN.to_owned()).await?;
        // Counted before the rewrite is begun: what is erased from here on is counted on top, and needs another one.
        let count = erased.get(fields::COUNT).cloned().unwrap_or_default();
        let lease = Lease { name: "rewrite", holder, time: REWRITE_TIME };
        if !is_due(&count, &rewritten, now()) || !self.acquire_lease(lease, now()).await? {
            return Ok(false);
        }
        if !self.rewrite_all(lease, shutdown).await? {
            return Ok(false);
        }
        let note = |fields: &mut Fields| {
            fields::set(fields, fields::COUNT, &count);
            fields::set(fields, fields::REWRITTEN_AT, now());
            Decision::Write(true)
        };
        self.update_hash(keys::REWRITTEN.to_owned(), Lifetime::Unlimited, note).await
    }

    /// Has every server rewrite its file, and waits for it. `false`: not all were rewritten, and it has to be tried again.
    async fn rewrite_all(&self, lease: Lease<'_>, shutdown: &Shutdown) -> Result<bool, StoreError> {
        let Some(redis) = self.redis() else { return Ok(false) };
        let all = redis.all_servers().await?;
        for server in &all.unreachable {
            warn!(server, "The append-only file of a server that can't be reached still holds what was erased");
        }
        let mut is_any = false;
        for server in &all.reached {
            if server.rewriting().await? == Rewriting::NoFile {
                continue;
            }
            if !self.acquire_lease(lease, now()).await? || !rewrite(server, shutdown).await? {
                return Ok(false);
            }
            is_any = true;
        }
        Ok(is_any)
    }
}

/// Has a server rewrite its file, and waits for it. `false`: nothing was rewritten, and it has to be tried again.
async fn rewrite(server: &OneServer, shutdown: &Shutdown) -> Result<bool, StoreError> {
    if !server.begin_rewrite().await? {
        return Ok(false);
    }
    let started = std::time::Instant::now();
    while started.elapsed() < REWRITE_TIME {
        match server.rewriting().await? {
            Rewriting::UnderWay => {}
            Rewriting::NoFile => return Ok(false),
            Rewriting::Failed => return Err(StoreError::Refused("bgrewriteaof failed".to_owned())),
            Rewriting::Done => {
                let elapsed_ms = started.elapsed().as_millis();
                info!(server = server.address, elapsed_ms, "Redis rewrote its append-only file");
                return Ok(true);
            }
        }
        if !shutdown.pause(PROGRESS_PERIOD).await {
            return Ok(false);
        }
    }
    Err(StoreError::TimedOut)
}

/// Whether a rewrite is due: soon after something was erased, and otherwise once a day.
fn is_due(count: &str, rewritten: &Fields, now: Timestamp) -> bool {
    let at = rewritten.get(fields::REWRITTEN_AT).and_then(|at| at.parse::<Timestamp>().ok());
    let is_counted = rewritten.get(fields::COUNT).is_some_and(|seen| seen == count);
    let period = if is_counted { REWRITE_PERIOD_MAX } else { REWRITE_PERIOD_MIN };
    // A clock that was set back delays nothing for long.
    at.is_none_or(|at| now.duration_since(at).abs() >= period)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::settings::ChannelsSettings;

    fn rewritten(count: &str, minutes_ago: i64, now: Timestamp) -> Fields {
        let at = now - SignedDuration::from_mins(minutes_ago);
        fields::collect([(fields::COUNT, Some(count.to_owned())), (fields::REWRITTEN_AT, Some(at.to_string()))])
    }

    #[test]
    fn a_file_is_rewritten_soon_after_an_erasure_and_otherwise_once_a_day() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000);

        for (count, minutes, expected) in
            [("2", 14, false), ("2", 15, true), ("1", 15, false), ("1", 23 * 60, false), ("1", 24 * 60, true)]
        {
            assert_eq!(is_due(count, &rewritten("1", minutes, now), now), expected, "{count} after {minutes} minutes");
        }
        assert!(is_due("", &Fields::new(), now), "never rewritten by us");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_file_of_a_redis_that_seems_to_be_empty_stays_as_it_is() {
        let redis = testkit::Redis::start().await;
        let settings = ChannelsSettings::at(redis.url_for("dispatcher"), &redis.prefix());
        let shutdown = Shutdown::default();
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let store = ChannelStore::open(&settings, metrics, &shutdown).unwrap();
        let initialise = |fields: &mut Fields| {
            fields::set(fields, fields::INITIALISED_AT, now());
            Decision::Write(())
        };

        let empty = store.rewrite_if_due("one", &shutdown).await;
        store.update_hash(keys::INITIALISED.to_owned(), Lifetime::Unlimited, initialise).await.unwrap();
        let first = store.rewrite_if_due("one", &shutdown).await;
        let second = store.rewrite_if_due("one", &shutdown).await;

        assert_eq!((empty, first, second), (Ok(false), Ok(true), Ok(false)));
    }
}
