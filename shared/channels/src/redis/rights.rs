//! What each process needs of Redis, and whether Redis grants it: an operator may have kept the user list of an older release.

use redis::{Pipeline, cmd};

use super::RedisStore;
use crate::error::StoreError;

/// What Redis grants a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRights {
    /// The process, whose user in the shipped list has its name.
    pub process: &'static str,
    /// The words that its line of the user list lacks, such as `+sadd` and `~erasures:*`. `None`: Redis has no user of this
    /// name, or is older than 7.0 and can't be asked.
    pub missing: Option<Vec<String>>,
}

/// What a process needs: the commands and the keys of its user in `ops/redis/users.acl`, which every test of the process
/// runs as. A test compares this table with that file.
struct Need {
    process: &'static str,
    keys: &'static [&'static str],
    /// What is asked once, because it names no key.
    keyless: &'static [&'static str],
    /// What is asked with a key of each kind.
    commands: &'static [&'static str],
}

/// Every process that uses the store reads, changes and finds records by these.
const OF_RECORDS: &[&str] = &[
    "exists",
    "mget",
    "hgetall",
    "hset",
    "hincrby",
    "del",
    "expire",
    "setex",
    "sadd",
    "srem",
    "sismember",
    "smembers",
    "evalsha",
];

const NEEDS: [Need; 3] = [
    Need {
        process: "dispatcher",
        keys: &[
            "channel:*",
            "channels:*",
            "user:*",
            "delivered:*",
            "erased:*",
            "dispatcher:*",
            "erasure:*",
            "erasures:*",
            "lease:rewrite",
        ],
        keyless: &["ping", "info", "scan", "script|load", "bgrewriteaof"],
        commands: OF_RECORDS,
    },
    Need {
        process: "connect",
        keys: &[
            "channel:*",
            "channels:*",
            "user:*",
            "erased:*",
            "ticket:*",
            "session:*",
            "erasure:*",
            "erasures:*",
            "deletion:*",
            "lease:*",
        ],
        keyless: &["ping", "scan", "script|load"],
        commands: OF_RECORDS,
    },
    Need {
        process: "ops",
        keys: &[
            "channel:*",
            "channels:*",
            "user:*",
            "delivered:*",
            "erased:*",
            "dispatcher:*",
            "ticket:*",
            "session:*",
            "erasure:*",
            "erasures:*",
            "deletion:*",
            "lease:*",
        ],
        keyless: &["ping", "info", "time", "acl|dryrun", "script|kill", "scan", "script|load"],
        commands: OF_RECORDS,
    },
];

impl RedisStore {
    /// Asks Redis what it would refuse each process.
    pub(crate) async fn rights(&self) -> Result<Vec<ProcessRights>, StoreError> {
        let mut rights = Vec::with_capacity(NEEDS.len());
        for need in &NEEDS {
            let missing = match self.missing(need).await {
                Ok(missing) => Some(missing),
                Err(StoreError::Refused(code)) if code == "ERR" => None,
                Err(error) => return Err(error),
            };
            rights.push(ProcessRights { process: need.process, missing });
        }
        Ok(rights)
    }

    /// Asks for every command with every kind of key. A word is missing if Redis refuses it whatever it is combined with.
    async fn missing(&self, need: &Need) -> Result<Vec<String>, StoreError> {
        let keys: Vec<_> = need.keys.iter().map(|pattern| self.key(&pattern.replace('*', "any"))).collect();
        let mut questions = Pipeline::new();
        let mut ask = |words: Vec<&str>| {
            questions.add_command(cmd("ACL").arg("DRYRUN").arg(need.process).arg(words).clone());
        };
        need.keyless.iter().for_each(|command| ask(whole(command, "")));
        for command in need.commands {
            keys.iter().for_each(|key| ask(whole(command, key)));
        }
        let answers: Vec<String> = self.query(&questions).await?;
        let granted: Vec<bool> = answers.iter().map(|answer| answer == "OK").collect();
        let keyless = need.keyless.len().min(granted.len());
        let of_keyless = &granted[..keyless];
        let of_commands: Vec<&[bool]> = granted[keyless..].chunks(keys.len()).collect();

        let refused = |granted: &[bool]| !granted.contains(&true);
        let keyless = need.keyless.iter().zip(of_keyless).filter(|(_, granted)| !**granted);
        let mut missing: Vec<String> = keyless.map(|(command, _)| format!("+{command}")).collect();
        let commands = need.commands.iter().zip(&of_commands);
        missing.extend(commands.filter(|(_, of)| refused(of)).map(|(command, _)| format!("+{command}")));
        for (at, pattern) in need.keys.iter().enumerate() {
            // A key that may only be read, say, is refused to some of the commands that are granted.
            if of_commands.iter().any(|of| !refused(of) && !of[at]) || of_commands.iter().all(|of| refused(of)) {
                missing.push(format!("~{}", self.key(pattern)));
            }
        }
        Ok(missing)
    }
}

/// A whole command, as Redis wants to be asked about it.
fn whole<'a>(command: &'a str, key: &'a str) -> Vec<&'a str> {
    let mut words: Vec<&str> = command.split('|').collect();
    words.extend(match command {
        "scan" => &["0"][..],
        "acl|dryrun" => &["default", "ping"],
        "script|load" => &["return 1"],
        "evalsha" => &["0000000000000000000000000000000000000000", "1"],
        _ => &[],
    });
    if !key.is_empty() {
        words.push(key);
    }
    words.extend(match command {
        "hset" => &["field", "value"][..],
        "hincrby" => &["field", "1"],
        "expire" => &["1"],
        "setex" => &["1", "value"],
        "sadd" | "srem" | "sismember" => &["member"],
        _ => &[],
    });
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chassis::Shutdown;
    use prometheus::Registry;
    use testkit::{PASSWORD, Redis};

    use super::*;
    use crate::{ChannelStore, ChannelsSettings, Metrics};

    /// The line of the shipped user list for a process.
    fn shipped(process: &str) -> String {
        let of_process = format!("user {process} ");
        Redis::shipped_users().into_iter().find(|line| line.starts_with(&of_process)).unwrap()
    }

    fn rights_in(line: &str) -> BTreeSet<String> {
        line.split(' ').filter(|word| word.starts_with(['~', '+'])).map(str::to_owned).collect()
    }

    fn open(redis: &Redis, prefix: &str) -> ChannelStore {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let settings = ChannelsSettings::at(redis.url_for("admin"), prefix);
        ChannelStore::open(&settings, metrics, &Shutdown::default()).unwrap()
    }

    /// What Redis refuses one process.
    async fn missing(store: &ChannelStore, process: &str) -> Option<Vec<String>> {
        let rights = store.rights().await.unwrap();
        rights.into_iter().find(|rights| rights.process == process).unwrap().missing
    }

    #[test]
    fn what_the_processes_need_is_what_the_shipped_user_list_grants() {
        for need in NEEDS {
            let keys = need.keys.iter().map(|key| format!("~{key}"));
            let commands = need.keyless.iter().chain(need.commands).map(|command| format!("+{command}"));
            let needed: BTreeSet<String> = keys.chain(commands).collect();

            assert_eq!(needed, rights_in(&shipped(need.process)), "{}", need.process);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_word_that_a_user_list_lacks_is_found() {
        let redis = Redis::start_with_shipped_users().await;
        let store = open(&redis, "");

        for process in NEEDS.map(|need| need.process) {
            let line = shipped(process);
            assert_eq!(missing(&store, process).await, Some(Vec::new()), "{process}");
            for word in rights_in(&line) {
                let older: Vec<&str> = line.split(' ').skip(1).filter(|other| *other != word).collect();
                let set = [&["ACL", "SETUSER"][..], &older].concat();
                assert_eq!(redis.command_as("admin", PASSWORD, &set).await, "+OK\r\n");
                assert_eq!(missing(&store, process).await, Some(vec![word.clone()]), "{process}");
            }
            let set = [vec!["ACL", "SETUSER"], line.split(' ').skip(1).collect()].concat();
            redis.command_as("admin", PASSWORD, &set).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn keys_are_asked_for_with_their_prefix_and_a_user_that_does_not_exist_is_not_judged() {
        let redis = Redis::start_with_shipped_users().await;
        redis.command_as("admin", PASSWORD, &["ACL", "DELUSER", "connect"]).await;
        let store = open(&redis, "other:");

        assert!(missing(&store, "dispatcher").await.unwrap().contains(&"~other:channel:*".to_owned()));
        assert_eq!(missing(&store, "connect").await, None);
    }
}
