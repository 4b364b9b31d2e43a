//! What a dispatcher asks of the store about the envelopes that it takes, and the reports about itself that it leaves there.

use chassis::now;

use crate::error::StoreError;
use crate::hashing::Hashing;
use crate::held::Held;
use crate::lookup::{LookedUp, Lookup, LookupAnswer, LookupBatch};
use crate::store::ChannelStore;
use crate::transaction::{Lifetime, Transaction};
use crate::update::Decision;
use crate::{fields, keys};

/// How often a batch is looked up again because the keys of erasures have changed.
const LOOKS_MAX: usize = 4;

impl ChannelStore {
    /// Looks up the marker, the erasures and the channel of each envelope, and answers in the order of the envelopes.
    pub async fn look_up(&self, lookups: &[Lookup<'_>]) -> Result<Vec<LookupAnswer>, StoreError> {
        Ok(self.look_up_with_contacts(lookups).await?.answers)
    }

    /// Like [`Self::look_up`], and says in the same round trip until when conversations were erased, which are held, and what
    /// of lanes was deferred.
    pub async fn look_up_with_contacts(&self, lookups: &[Lookup<'_>]) -> Result<LookedUp, StoreError> {
        if lookups.is_empty() {
            let held = Held::of(&fields::Fields::new(), Hashing::plain(), now());
            return Ok(LookedUp { answers: Vec::new(), contacts_erased_until: None, held, deferred: Vec::new() });
        }
        let mut keys = self.opened.last();
        for _ in 0..LOOKS_MAX {
            let hashing = keys.at(now());
            let batch = LookupBatch::new(lookups, &hashing);
            let reply = self.look_up_batch(&batch).await?;
            let stored = self.keys_as_read(reply.erasure_keys.clone()).await?;
            // Once a process, and when an export brings a key: what was asked was hashed with other keys.
            if stored.fields != keys.fields {
                keys = stored;
                continue;
            }
            self.date_erasures(batch.undated(&reply), now()).await?;
            let mut answers = batch.answers(&reply)?;
            let held = Held::of(&reply.held, hashing, now());
            answers.iter_mut().zip(lookups).for_each(|(answer, lookup)| answer.hold_if(&held, [lookup.lane.as_str()]));
            let contacts_erased_until = batch.contacts_erased_until(&reply);
            return Ok(LookedUp { answers, contacts_erased_until, held, deferred: batch.deferred(&reply) });
        }
        Err(StoreError::Conflict)
    }

    /// Stores a dispatcher's report about itself (JSON) for 30 seconds; `None` removes it, because the dispatcher ends.
    pub async fn report(&self, instance: &str, status: Option<&str>) -> Result<(), StoreError> {
        let key = keys::dispatcher(instance);
        let replace = |transaction: &mut Transaction| {
            let report = transaction.hash(&key);
            let usual_status = status.and(self.usual_status.get());
            report.fields = fields::collect([
                (fields::STATUS, status.map(str::to_owned)),
                (fields::USUAL_STATUS, usual_status.map(|status| status.to_string())),
            ]);
            report.lifetime = Lifetime::Limited(keys::REPORT_TIME);
            let instances = &mut transaction.hash(keys::DISPATCHERS).fields;
            match status {
                Some(_) => fields::set(instances, instance, fields::REPORTS),
                None => drop(instances.remove(instance)),
            }
            Ok(Decision::Write(()))
        };
        self.update(vec![key.clone(), keys::DISPATCHERS.to_owned()], replace).await
    }

    /// The last report of every dispatcher that runs, in the order of their names.
    pub async fn reports(&self) -> Result<Vec<String>, StoreError> {
        let instances: Vec<String> = self.read_one(keys::DISPATCHERS.to_owned()).await?.into_keys().collect();
        let hashes = self.read(instances.iter().map(|instance| keys::dispatcher(instance)).collect()).await?;
        let (living, ended): (Vec<_>, Vec<_>) =
            instances.into_iter().zip(hashes).partition(|(_, hash)| !hash.is_empty());
        if !ended.is_empty() {
            self.forget_dispatchers(&ended.into_iter().map(|(instance, _)| instance).collect::<Vec<_>>()).await?;
        }
        Ok(living.into_iter().filter_map(|(_, mut hash)| hash.remove(fields::STATUS)).collect())
    }

    /// How many dispatchers run, by the reports of the last 30 seconds.
    pub async fn living_dispatchers(&self) -> Result<usize, StoreError> {
        Ok(self.reports().await?.len())
    }

    /// Forgets dispatchers that ended without saying so. One that is not dead after all adds itself with its next report.
    async fn forget_dispatchers(&self, ended: &[String]) -> Result<(), StoreError> {
        let forget = |instances: &mut fields::Fields| {
            instances.retain(|instance, _| !ended.contains(instance));
            Decision::Write(())
        };
        self.update_hash(keys::DISPATCHERS.to_owned(), Lifetime::Unlimited, forget).await
    }
}
