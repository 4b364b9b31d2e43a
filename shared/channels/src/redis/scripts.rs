//! What Redis does by itself, in one step that no other process can come between.

use jiff::Timestamp;
use serde::Serialize;

use crate::index::{self, Index};
use crate::keys;
use crate::transaction::Write;

/// A member of the set of all channels that is no key. It is added last, and says that the sets are complete. (That of a
/// release which had no set of former users is the empty text.)
pub(super) const COMPLETE: &str = "2";

/// Compares every hash with what was read, then replaces all of them, or none. What is a text in Redis comes as a
/// hash with one field. The keys after the hashes are those of the index sets to change. A set that can't
/// be changed, because a user list of an older release does not permit it, is made again by whoever finds that it is not
/// complete. A key beyond all of these is a hash that counts the commits. In a cluster, a key before all of these remembers
/// the commit: the client sends a request again whose answer was lost, and would be told that somebody else had been first.
pub(super) const COMMIT: &str = r"
local writes = {}
for i, argument in ipairs(ARGV) do
  local key, write = KEYS[i], cjson.decode(argument)
  writes[i] = write
  if write.is_once then
    if redis.call('EXISTS', key) == 1 then return 1 end
  elseif write.is_text then
    if redis.call('MGET', key)[1] ~= (write.before.mark or false) then return 0 end
  elseif write.before then
    local fields, count = redis.call('HGETALL', key), 0
    for _ in pairs(write.before) do count = count + 1 end
    if #fields ~= 2 * count then return 0 end
    for j = 1, #fields, 2 do
      if write.before[fields[j]] ~= fields[j + 1] then return 0 end
    end
  end
end
for i, write in ipairs(writes) do
  local key = KEYS[i]
  if write.is_once then
    redis.call('SETEX', key, write.expires, '1')
  elseif write.is_text then
    if write.after.mark then redis.call('SETEX', key, write.expires, write.after.mark) else redis.call('DEL', key) end
  elseif write.before then
    redis.call('DEL', key)
    for field, value in pairs(write.after) do redis.call('HSET', key, field, value) end
    if write.expires > 0 then redis.call('EXPIRE', key, write.expires) end
  elseif write.joins then
    redis.pcall('SADD', key, write.member)
    if write.expires > 0 then
      redis.pcall('EXPIRE', key, write.expires, 'NX')
      redis.pcall('EXPIRE', key, write.expires, 'GT')
    end
  else
    redis.pcall('SREM', key, write.member)
  end
end
if KEYS[#ARGV + 1] then redis.call('HINCRBY', KEYS[#ARGV + 1], 'count', 1) end
return 1
";

/// Removes from a set the names of hashes that are gone.
pub(super) const PRUNE: &str = r"
for i, member in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 0 then redis.call('SREM', KEYS[1], member) end
end
return 1
";

/// What says that a commit was made.
#[derive(Debug, Serialize)]
pub(super) struct Once {
    is_once: bool,
    expires: u64,
}

impl Default for Once {
    fn default() -> Self {
        Self { is_once: true, expires: keys::COMMIT_TIME.as_secs() }
    }
}

/// What a commit replaces.
#[derive(Debug, Serialize)]
pub(super) struct HashWrite<'a> {
    #[serde(flatten)]
    write: &'a Write,
    is_text: bool,
}

impl<'a> HashWrite<'a> {
    pub(super) fn of(write: &'a Write) -> Self {
        Self { write, is_text: keys::is_text(&write.key) }
    }
}

/// What a commit changes in an index set.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct IndexChange {
    #[serde(skip)]
    pub(super) set: String,
    member: String,
    joins: bool,
    /// Seconds for which the set must last at least; 0 means for ever.
    expires: u64,
}

impl IndexChange {
    /// What follows from hashes that are written.
    pub(super) fn of(writes: &[Write], now: Timestamp) -> Vec<Self> {
        let mut changes = Vec::new();
        for write in writes {
            let are = Index::of(&write.key, &write.after);
            let were = Index::of(&write.key, &write.before).into_iter().filter(|index| !are.contains(index));
            let change = |index: Index, joins| {
                let lasts = if index.time().is_some() { write.expires } else { 0 };
                Self { set: index.set(), member: write.key.clone(), joins, expires: lasts }
            };
            changes.extend(were.map(|index| change(index, false)));
            // Also of those that were in it: a process of an older release may have written the hash.
            changes.extend(are.iter().map(|index| change(index.clone(), true)));
            if keys::is_erased_mark(&write.key) {
                let set = index::erased_on(now);
                changes.push(Self { set, member: write.key.clone(), joins: true, expires: write.expires });
            }
            if write.key == keys::INITIALISED && write.before.is_empty() {
                let set = Index::Channels.set();
                changes.push(Self { set, member: COMPLETE.to_owned(), joins: true, expires: 0 });
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use redis::{Client, Script};
    use testkit::Redis;

    use super::*;
    use crate::fields;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_that_is_sent_again_is_made_once_and_succeeds_both_times() {
        let redis = Redis::shared().await;
        let prefix = redis.prefix();
        let connection = Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
        let after = fields::collect([(fields::TENANT, Some("acme".to_owned()))]);
        let write = Write { key: "ticket:1".to_owned(), before: fields::Fields::new(), after, expires: 60 };
        let commit = async |id: &str| {
            let script = Script::new(COMMIT);
            let mut commit = script.prepare_invoke();
            commit.key(format!("{prefix}{}", keys::commit(id))).arg(serde_json::to_string(&Once::default()).unwrap());
            commit.key(format!("{prefix}{}", write.key)).arg(serde_json::to_string(&HashWrite::of(&write)).unwrap());
            commit.key(format!("{prefix}{}", keys::ERASED_COUNT));
            commit.invoke_async::<bool>(&mut connection.clone()).await.unwrap()
        };

        assert_eq!([commit("one").await, commit("one").await, commit("another").await], [true, true, false]);
        let count = redis.command(&["HGET", &format!("{prefix}{}", keys::ERASED_COUNT), "count"]).await;
        assert_eq!(count, "$1\r\n1\r\n");
    }
}
