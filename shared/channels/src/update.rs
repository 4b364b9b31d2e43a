//! The one compare-and-set loop: read hashes, decide, and write if nobody else has changed them in between.

use crate::error::StoreError;
use crate::fields::Fields;
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};

/// How often an update starts over because another process changed the same hashes first.
const TRIES_MAX: usize = 10;

/// What an update does with the hashes that it has read.
#[derive(Debug)]
pub(crate) enum Decision<T> {
    /// Reads these hashes as well, then decides again. The transaction must not have been changed yet.
    Read(Vec<String>),
    /// Writes what was changed, and returns this once it is written.
    Write(T),
    /// Writes nothing, and returns this.
    Abandon(T),
}

impl ChannelStore {
    /// Reads hashes, decides on them, and writes all of them or none. Where another process has changed one of them in
    /// between, it starts over with what is stored now.
    pub(crate) async fn update<T>(
        &self,
        keys: Vec<String>,
        decide: impl Fn(&mut Transaction) -> Result<Decision<T>, StoreError>,
    ) -> Result<T, StoreError> {
        for _ in 0..TRIES_MAX {
            let mut transaction = Transaction::default();
            let mut unread = keys.clone();
            let answer = loop {
                let hashes = self.read(unread.clone()).await?;
                unread.into_iter().zip(hashes).for_each(|(key, fields)| transaction.add(key, fields));
                match decide(&mut transaction)? {
                    Decision::Read(more) => unread = more,
                    Decision::Write(answer) => break answer,
                    Decision::Abandon(answer) => return Ok(answer),
                }
            };
            let writes = transaction.into_writes();
            if writes.is_empty() || self.commit(writes).await? {
                return Ok(answer);
            }
        }
        Err(StoreError::Conflict)
    }

    /// Updates one hash.
    pub(crate) async fn update_hash<T>(
        &self,
        key: String,
        lifetime: Lifetime,
        decide: impl Fn(&mut Fields) -> Decision<T>,
    ) -> Result<T, StoreError> {
        let update = |transaction: &mut Transaction| {
            let hash = transaction.hash(&key);
            hash.lifetime = lifetime;
            Ok(decide(&mut hash.fields))
        };
        self.update(vec![key.clone()], update).await
    }
}
