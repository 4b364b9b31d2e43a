//! The profiles of the last minutes, so that a page of DSK's that is opened again costs no further requests to Meta. They
//! are in memory only, and only for as long as the privacy policy says.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use channels::StoredToken;
use chassis::Shutdown;
use event::Address;
use tokio::time::Instant;

use crate::graph::profile::Profile;

/// The longest time that a profile is in memory.
pub(crate) const PROFILE_TIME: Duration = Duration::from_mins(5);
/// How often those are dropped whose time is over, so that they also end where nobody asks any more.
const SWEEP_PERIOD: Duration = Duration::from_secs(10);
/// Profiles that are remembered.
const PROFILES_MAX: usize = 10_000;
/// What they take together.
const BYTES_MAX: usize = 8 << 20;
/// What one takes at most; a larger one is not remembered. Names are short, and addresses of pictures have some 500 bytes.
const PROFILE_BYTES_MAX: usize = 8 << 10;
/// What an entry takes beside the profile, with its key, which is there twice and whose ids are short.
const ENTRY_BYTES: usize = 512;

/// The profiles of the last minutes. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ProfileCache(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    /// By the order in which they came, which is that in which they end.
    entries: BTreeMap<u64, Entry>,
    by_key: HashMap<Key, u64>,
    bytes: usize,
    next: u64,
    hashes: RandomState,
}

struct Entry {
    key: Key,
    profile: Profile,
    ends: Instant,
    bytes: usize,
}

/// Whose profile it is. With another token Meta may answer otherwise, so what a token brought ends with it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    channel: Address,
    /// A hash of the sealed token.
    token: u64,
    contact: String,
}

impl ProfileCache {
    /// The profile that this token brought in the last minutes, if it did.
    pub(crate) fn get(&self, token: StoredToken<'_>, contact: &str, now: Instant) -> Option<Profile> {
        let mut remembered = lock(&self.0);
        remembered.drop_ended(now);
        let number = remembered.by_key.get(&remembered.key(token, contact))?;
        remembered.entries.get(number).map(|entry| entry.profile.clone())
    }

    /// Remembers a profile for some minutes; the oldest ones make room for it.
    pub(crate) fn put(&self, token: StoredToken<'_>, contact: &str, profile: &Profile, now: Instant) {
        let bytes = ENTRY_BYTES + profile.bytes();
        if bytes > PROFILE_BYTES_MAX {
            return;
        }
        let mut remembered = lock(&self.0);
        remembered.drop_ended(now);
        let key = remembered.key(token, contact);
        if let Some(number) = remembered.by_key.get(&key).copied() {
            remembered.drop_entry(number);
        }
        while remembered.entries.len() >= PROFILES_MAX || remembered.bytes + bytes > BYTES_MAX {
            remembered.drop_oldest();
        }
        let number = remembered.next;
        remembered.next += 1;
        remembered.bytes += bytes;
        remembered.by_key.insert(key.clone(), number);
        // The next sweep comes within a period of that.
        let ends = now + PROFILE_TIME.saturating_sub(SWEEP_PERIOD);
        remembered.entries.insert(number, Entry { key, profile: profile.clone(), ends, bytes });
    }

    /// Drops what has ended until a stop is asked for.
    pub(crate) async fn sweep(self, shutdown: Shutdown) {
        while shutdown.pause(SWEEP_PERIOD).await {
            lock(&self.0).drop_ended(Instant::now());
        }
    }
}

impl Remembered {
    fn key(&self, token: StoredToken<'_>, contact: &str) -> Key {
        let StoredToken { address, sealed } = token;
        Key { channel: address.clone(), token: self.hashes.hash_one(sealed), contact: contact.to_owned() }
    }

    fn drop_ended(&mut self, now: Instant) {
        while self.entries.first_key_value().is_some_and(|(_, entry)| entry.ends <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.first_key_value().map(|(number, _)| *number) {
            self.drop_entry(oldest);
        }
    }

    fn drop_entry(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(&number) {
            self.by_key.remove(&entry.key);
            self.bytes -= entry.bytes;
        }
    }
}

fn lock(remembered: &Mutex<Remembered>) -> MutexGuard<'_, Remembered> {
    remembered.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use channels::{KeyRing, KeyRingSettings, NewSecret, Place, SealedSecret, new_key};
    use chassis::Secret;
    use prometheus::Registry;

    use super::*;

    fn secret() -> NewSecret {
        let settings = KeyRingSettings { key_ring: Some(new_key()), key_ring_file: None };
        let metrics = channels::Metrics::register(&Registry::new()).unwrap();
        KeyRing::load(&settings, &metrics).unwrap().seal(&Secret::new("token"))
    }

    fn sealed(address: &Address) -> SealedSecret {
        secret().sealed_for(Place::access_token(address))
    }

    fn named(name: &str) -> Profile {
        Profile { name: Some(name.to_owned()), username: None, picture: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_profile_is_out_of_memory_after_five_minutes_although_nobody_asks() {
        let cache = ProfileCache::default();
        let shutdown = Shutdown::default();
        shutdown.spawn(cache.clone().sweep(shutdown.clone()));
        let address = Address::new("instagram:1");
        let sealed = sealed(&address);
        let token = StoredToken { address: &address, sealed: &sealed };
        cache.put(token, "17", &named("Ada"), Instant::now());

        shutdown.pause(PROFILE_TIME / 2).await;
        assert_eq!(cache.get(token, "17", Instant::now()), Some(named("Ada")));

        shutdown.pause(PROFILE_TIME / 2).await;
        let remembered = lock(&cache.0);
        assert_eq!((remembered.entries.len(), remembered.by_key.len(), remembered.bytes), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_profile_belongs_to_one_channel_and_to_the_token_that_brought_it() {
        let cache = ProfileCache::default();
        let now = Instant::now();
        let address = Address::new("instagram:1");
        let other = Address::new("instagram:2");
        let first = sealed(&address);
        let second = sealed(&address);
        cache.put(StoredToken { address: &address, sealed: &first }, "17", &named("Ada"), now);

        assert_eq!(cache.get(StoredToken { address: &other, sealed: &first }, "17", now), None);
        assert_eq!(cache.get(StoredToken { address: &address, sealed: &second }, "17", now), None);
        assert_eq!(cache.get(StoredToken { address: &address, sealed: &first }, "18", now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_by_number_and_by_bytes_and_the_oldest_make_room() {
        let cache = ProfileCache::default();
        let now = Instant::now();
        let address = Address::new("messenger:1");
        let sealed = sealed(&address);
        let token = StoredToken { address: &address, sealed: &sealed };
        let put = |id: usize, name: &str| cache.put(token, &id.to_string(), &named(name), now);

        (0..=PROFILES_MAX).for_each(|id| put(id, "Ada"));
        assert_eq!(lock(&cache.0).entries.len(), PROFILES_MAX);
        assert_eq!(cache.get(token, "0", now), None);
        assert_eq!(cache.get(token, &PROFILES_MAX.to_string(), now), Some(named("Ada")));

        let long = "x".repeat(PROFILE_BYTES_MAX - ENTRY_BYTES);
        (0..2 * BYTES_MAX / PROFILE_BYTES_MAX).for_each(|id| put(id, &long));
        put(1, &long);
        put(2, &format!("{long}x"));
        let remembered = lock(&cache.0);
        assert!(remembered.bytes <= BYTES_MAX, "{} bytes", remembered.bytes);
        assert_eq!(remembered.bytes, remembered.entries.values().map(|entry| entry.bytes).sum::<usize>());
        assert_eq!(remembered.entries.len(), remembered.by_key.len());
    }
}
