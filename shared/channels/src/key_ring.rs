//! The keys that seal and open tokens: the first seals, every one opens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chassis::{Problem, Secret, read_secret};
use clap::Args;
use fernet::Fernet;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::metrics::Metrics;

/// The file is checked for changes at most this often.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// Where the keys that open the tokens are.
#[derive(Args, Clone, Debug)]
pub struct KeyRingSettings {
    /// Fernet keys, one a line: the first seals, every one opens. `ops keys new` makes one, marked `bound:`; a key without
    /// that mark also opens what an older release sealed, wherever in the channel store it stands.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub key_ring: Option<Secret>,
    /// A file that holds `KEY_RING`; it is read again when it changes.
    #[arg(long, env)]
    pub key_ring_file: Option<PathBuf>,
}

/// What is written before a key that opens only seals that are bound to their place. The ring does not come from the store,
/// so whoever writes to the store can't take the mark away.
const BOUND_MARK: &str = "bound:";

/// The keys. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

/// A key of the ring.
pub(crate) struct Key {
    pub(crate) fernet: Fernet,
    /// Whether it opens what an older release sealed without its place, and what therefore may have been copied.
    pub(crate) opens_unbound: bool,
}

/// When the file is read again, provided that the last check is long enough ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reread {
    /// If it seems to have changed.
    IfChanged,
    /// Even if it does not seem to have changed: its time stamp may be too coarse to tell.
    Always,
}

struct Inner {
    file: Option<PathBuf>,
    ring: Mutex<Ring>,
    metrics: Metrics,
}

struct Ring {
    keys: Vec<Key>,
    checked_at: Instant,
    stamp: Option<Stamp>,
}

/// Modification time and size of the file: they differ when the file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    size: u64,
}

/// Makes a new key in the form that `KEY_RING` takes. Nothing was sealed with it yet, so it carries the mark.
pub fn new_key() -> Secret {
    let key = Zeroizing::new(Fernet::generate_key());
    Secret::new(format!("{BOUND_MARK}{}", *key))
}

impl KeyRingSettings {
    /// The ring in a file.
    pub fn file(path: &Path) -> Self {
        Self { key_ring: None, key_ring_file: Some(path.to_owned()) }
    }
}

impl KeyRing {
    /// Reads the ring. An empty ring is a problem, and so is a line that is not a key.
    pub fn load(settings: &KeyRingSettings, metrics: &Metrics) -> Result<Self, Problem> {
        let stamp = settings.key_ring_file.as_deref().and_then(stamp);
        let given = read_secret("KEY_RING", settings.key_ring.as_ref(), settings.key_ring_file.as_deref())?;
        let given = given
            .ok_or_else(|| Problem::new("KEY_RING", "is missing", "give it the line that `ops keys new` prints"))?;
        let keys = parse(&given)?;
        metrics.keys.set(keys.len());
        let ring = Mutex::new(Ring { keys, checked_at: Instant::now(), stamp });
        Ok(Self(Arc::new(Inner { file: settings.key_ring_file.clone(), ring, metrics: metrics.clone() })))
    }

    /// How many keys there are.
    #[expect(clippy::len_without_is_empty, reason = "a ring without keys is refused when it is read")]
    pub fn len(&self) -> usize {
        self.with_keys(Reread::IfChanged, <[Key]>::len)
    }

    /// The keys, counted from 1, that open what is sealed without its place, because they are not marked `bound:`.
    pub fn unmarked_keys(&self) -> Vec<usize> {
        let unmarked =
            |keys: &[Key]| (1..).zip(keys).filter(|(_, key)| key.opens_unbound).map(|(number, _)| number).collect();
        self.with_keys(Reread::IfChanged, unmarked)
    }

    /// Encrypts with the first key.
    pub(crate) fn encrypt(&self, plain: &[u8]) -> String {
        let encrypt = |keys: &[Key]| {
            let first = keys.first().expect("a ring without keys is refused when it is read");
            first.fernet.encrypt(plain)
        };
        self.with_keys(Reread::IfChanged, encrypt)
    }

    /// Uses the keys, after the file was read again if need be.
    pub(crate) fn with_keys<T>(&self, reread: Reread, using: impl FnOnce(&[Key]) -> T) -> T {
        using(&self.0.current(reread).keys)
    }

    /// Counts a sealed secret that did not open.
    pub(crate) fn count_unopenable(&self) {
        self.0.metrics.unopenable_total.inc();
    }
}

impl Inner {
    /// The keys, after the file was read again if need be.
    fn current(&self, reread: Reread) -> MutexGuard<'_, Ring> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &self.file else { return ring };
        if ring.checked_at.elapsed() < CHECK_PERIOD {
            return ring;
        }
        ring.checked_at = Instant::now();
        let stamp = stamp(file);
        if stamp == ring.stamp && reread == Reread::IfChanged {
            return ring;
        }
        let read = read_secret("KEY_RING", None, Some(file)).and_then(|text| parse(&text.unwrap_or(Secret::new(""))));
        match read {
            Ok(keys) => {
                if stamp != ring.stamp {
                    info!(keys = keys.len(), "Read the key ring again");
                }
                self.metrics.keys.set(keys.len());
                ring.keys = keys;
            }
            Err(problem) => {
                warn!(error = %problem, "Could not read the key ring again; the keys read before stay in use");
            }
        }
        ring.stamp = stamp;
        ring
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some(Stamp { modified: metadata.modified().ok()?, size: metadata.len() })
}

fn parse(text: &Secret) -> Result<Vec<Key>, Problem> {
    let mut keys = Vec::new();
    for (index, line) in text.expose().split(['\n', ',']).map(str::trim).enumerate() {
        if line.is_empty() {
            continue;
        }
        let marked = line.strip_prefix(BOUND_MARK);
        let Some(fernet) = Fernet::new(marked.unwrap_or(line).trim()) else {
            let wrong = format!("has no Fernet key on line {}", index + 1);
            return Err(Problem::new("KEY_RING", wrong, "write one key a line, as `ops keys new` prints them"));
        };
        keys.push(Key { fernet, opens_unbound: marked.is_none() });
    }
    if keys.is_empty() {
        return Err(Problem::new("KEY_RING", "holds no key", "give it the line that `ops keys new` prints"));
    }
    Ok(keys)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(..)")
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Key rings for the tests of other modules.

    use super::*;

    pub(crate) fn ring(keys: &[&Secret]) -> KeyRing {
        let text = keys.iter().map(|key| key.expose()).collect::<Vec<_>>().join("\n");
        let settings = KeyRingSettings { key_ring: Some(Secret::new(text)), key_ring_file: None };
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("metrics register once");
        KeyRing::load(&settings, &metrics).expect("the ring is good")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_a_key_is_named_only_by_its_number() {
        let text = format!("{}\nnot-a-key", new_key().expose());

        let problem = parse(&Secret::new(text)).err().unwrap().to_string();

        assert!(problem.contains("line 2") && !problem.contains("not-a-key"), "{problem}");
    }

    #[test]
    fn a_new_key_is_marked_and_one_of_an_older_release_is_not() {
        let new = new_key();
        let old = Secret::new(Fernet::generate_key());

        assert_eq!(samples::ring(&[&new, &old]).unmarked_keys(), [2]);
    }

    #[test]
    fn a_ring_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", samples::ring(&[&new_key()])), "KeyRing(..)");
    }
}
