//! A copy of the store, without the key ring, does not tell whose conversations were erased.

use channels::{ChannelStore, ChannelsSettings, ErasureOrigin, ErasureRequest, NewChannel, new_erasure_code};
use chassis::now;
use event::Address;
use testkit::Redis;

use crate::erasing::{ACCOUNT, OTHER, PERSON, delete, lane, number, plain};
use crate::support::{NUMBER, open};

/// Erases a conversation, a channel, an account and a person, and leaves a tombstone.
async fn erase_of_each_kind(store: &ChannelStore) {
    store.add(&number(), now()).await.unwrap();
    let person = NewChannel { app_user_id: Some(PERSON.to_owned()), ..number() };
    let other = NewChannel { address: Address::new(OTHER), account_id: None, ..person };
    store.add(&other, now()).await.unwrap();
    let lanes = [lane()];
    let code = new_erasure_code();
    let request =
        ErasureRequest { code: &code, origin: ErasureOrigin::Operator, channels: &[], lanes: &lanes, until: None };
    store.erase(&request, now()).await.unwrap();
    delete(store).await;
    store.add(&other, now()).await.unwrap();
    store.remove(&Address::new(OTHER), now()).await.unwrap();
}

/// What somebody can look for in a copy of the store.
fn guesses() -> Vec<String> {
    [NUMBER, ACCOUNT, OTHER, &lane(), "contacts", PERSON].map(plain).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_copies_redis_cannot_tell_whether_a_number_was_erased() {
    let redis = Redis::shared().await;
    let prefix = redis.prefix();
    erase_of_each_kind(&open(&ChannelsSettings::at(redis.url(), &prefix))).await;

    let mut copy = redis.command(&["KEYS", &format!("{prefix}*")]).await;
    let keys: Vec<String> = copy.split("\r\n").filter(|line| line.starts_with(&prefix)).map(str::to_owned).collect();
    for key in &keys {
        for read in ["HGETALL", "GET", "SMEMBERS"] {
            copy.push_str(&redis.command(&[read, key]).await);
        }
    }

    assert!(copy.contains("erased:"), "{copy}");
    assert!(copy.contains("app_user_hash") && copy.contains("deletion:"), "{copy}");
    for guess in guesses() {
        assert!(!copy.contains(&guess), "{guess} in {copy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_copies_the_files_cannot_tell_whether_a_number_was_erased() {
    let folder = tempfile::tempdir().unwrap();
    erase_of_each_kind(&open(&ChannelsSettings::embedded(folder.path()))).await;

    // The store may move what it has written from one file to the other meanwhile.
    let copy = testkit::eventually("the files hold what was erased", async || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        // One that is gone by now is looked for again: the store removes files, too.
        let texts = files.map(|file| std::fs::read(file.unwrap().path()).ok());
        let copy: String =
            texts.map(|bytes| Some(String::from_utf8_lossy(&bytes?).into_owned())).collect::<Option<_>>()?;
        ["erased:", "app_user_hash", "deletion:"].iter().all(|name| copy.contains(name)).then_some(copy)
    })
    .await;

    for guess in guesses() {
        assert!(!copy.contains(&guess), "{guess}");
    }
}
