//! The keys that seal and open tokens: the first seals, every one opens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chassis::{Problem, Secret, read_secret};
use clap::Args;
use fernet::Fernet;
use tracing::{info, warn};

use crate::metrics::Metrics;

/// The file is checked for changes at most this often.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// Where the keys that open the tokens are.
#[derive(Args, Clone, Debug)]
pub struct KeyRingSettings {
    /// Fernet keys, one a line: the first seals, every one opens. `ops keys new` makes one.
    #[arg(long, env, hide = true, hide_env_values = true)]
    pub key_ring: Option<Secret>,
    /// A file that holds `KEY_RING`; it is read again when it changes.
    #[arg(long, env)]
    pub key_ring_file: Option<PathBuf>,
}

/// A token or signing secret as the store holds it: encrypted with Fernet, so that it opens only with a key of the ring.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(String);

/// A sealed token opens with none of our keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it opens with no key of KEY_RING")]
pub struct OpenError;

/// The keys. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

/// When the file is read again, provided that the last check is long enough ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reread {
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
    keys: Vec<Fernet>,
    checked_at: Instant,
    stamp: Option<Stamp>,
}

/// Modification time and size of the file: they differ when the file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    size: u64,
}

/// Makes a new key in the form that `KEY_RING` takes.
pub fn new_key() -> Secret {
    Secret::new(Fernet::generate_key())
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

    /// Seals a token with the first key.
    pub fn seal(&self, token: &Secret) -> SealedSecret {
        let ring = self.0.current(Reread::IfChanged);
        let first = ring.keys.first().expect("a ring without keys is refused when it is read");
        SealedSecret(first.encrypt(token.expose().as_bytes()))
    }

    /// How many keys there are.
    #[expect(clippy::len_without_is_empty, reason = "a ring without keys is refused when it is read")]
    pub fn len(&self) -> usize {
        self.0.current(Reread::IfChanged).keys.len()
    }

    /// Which key opens a token, counted from 0.
    pub(crate) fn position(&self, sealed: &SealedSecret) -> Option<usize> {
        self.0.current(Reread::IfChanged).keys.iter().position(|key| key.decrypt(&sealed.0).is_ok())
    }

    /// Opens a token with the key that fits. If no key fits, it reads the file again first: the missing key may just have
    /// been added.
    pub fn open(&self, sealed: &SealedSecret) -> Result<Secret, OpenError> {
        let opened = open(&self.0.current(Reread::IfChanged).keys, sealed);
        let opened = opened.or_else(|| open(&self.0.current(Reread::Always).keys, sealed));
        opened.ok_or_else(|| {
            self.0.metrics.unopenable_total.inc();
            OpenError
        })
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

fn open(keys: &[Fernet], sealed: &SealedSecret) -> Option<Secret> {
    let bytes = keys.iter().find_map(|key| key.decrypt(&sealed.0).ok())?;
    String::from_utf8(bytes).ok().map(Secret::new)
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some(Stamp { modified: metadata.modified().ok()?, size: metadata.len() })
}

fn parse(text: &Secret) -> Result<Vec<Fernet>, Problem> {
    let mut keys = Vec::new();
    for (index, line) in text.expose().split(['\n', ',']).map(str::trim).enumerate() {
        if line.is_empty() {
            continue;
        }
        let Some(key) = Fernet::new(line) else {
            let wrong = format!("has no Fernet key on line {}", index + 1);
            return Err(Problem::new("KEY_RING", wrong, "write one key a line, as `ops keys new` prints them"));
        };
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(Problem::new("KEY_RING", "holds no key", "give it the line that `ops keys new` prints"));
    }
    Ok(keys)
}

impl SealedSecret {
    /// Takes the text that the store holds.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text that the store holds.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(..)")
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[&Secret]) -> KeyRing {
        let text = keys.iter().map(|key| key.expose()).collect::<Vec<_>>().join("\n");
        let settings = KeyRingSettings { key_ring: Some(Secret::new(text)), key_ring_file: None };
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("metrics register once");
        KeyRing::load(&settings, &metrics).expect("the ring is good")
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let old = new_key();
        let new = new_key();
        let token = Secret::new("dsk-token");
        let by_old = ring(&[&old]).seal(&token);
        let both = ring(&[&new, &old]);

        assert_eq!(both.open(&by_old).unwrap(), token);
        assert_eq!(ring(&[&new]).open(&both.seal(&token)).unwrap(), token);
        assert_eq!(ring(&[&new]).open(&by_old), Err(OpenError));
    }

    #[test]
    fn a_line_that_is_not_a_key_is_named_only_by_its_number() {
        let text = format!("{}\nnot-a-key", new_key().expose());

        let problem = parse(&Secret::new(text)).err().unwrap().to_string();

        assert!(problem.contains("line 2") && !problem.contains("not-a-key"), "{problem}");
    }

    #[test]
    fn neither_a_ring_nor_a_sealed_token_shows_in_debug_output() {
        let ring = ring(&[&new_key()]);

        assert_eq!(format!("{ring:?} {:?}", ring.seal(&Secret::new("t"))), "KeyRing(..) SealedSecret(..)");
    }
}
