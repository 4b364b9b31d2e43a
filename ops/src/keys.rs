//! `ops keys`: the keys that seal tokens.

use channels::{KeyRing, KeyRingSettings, KeyUse, Metrics, new_key};
use clap::{Args, Subcommand};
use prometheus::Registry;

use crate::failure::Failure;
use crate::open::StoreAccess;
use crate::output::{counted, outln};

/// Makes keys for the key ring, and moves tokens from one key to the next.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Prints a new key. Put it into the file that `KEY_RING_FILE` names, and keep that file apart from the channel store
    /// and its backups. Nothing else opens a token that this key has sealed.
    New,
    /// Seals every stored token with the first key, and for the place where it stands. Dispatchers may run meanwhile, and
    /// the command may be interrupted and run again.
    Rotate(Ring),
    /// Shows which keys the stored tokens need. The exit code is 1 if one of them does not open where it stands.
    Check(Ring),
}

/// The key ring and the store whose tokens it seals.
#[derive(Args, Debug)]
pub(crate) struct Ring {
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    store: StoreAccess,
}

impl Keys {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::New => outln!("{}", new_key().expose()),
            Self::Rotate(ring) => {
                let key_ring = ring.load()?;
                let key_use = ring.store.with(async |store| Ok(store.reseal(&key_ring).await?)).await?;
                outln!("Sealed {} again, with the first key", counted(key_use.resealed, "token"))?;
                show(&key_use, &key_ring)
            }
            Self::Check(ring) => {
                let key_ring = ring.load()?;
                let key_use = ring.store.with(async |store| Ok(store.key_use(&key_ring).await?)).await?;
                show(&key_use, &key_ring)
            }
        }
    }
}

impl Ring {
    fn load(&self) -> Result<KeyRing, Failure> {
        KeyRing::load(&self.key_ring, &Metrics::register(&Registry::new())?).map_err(Failure::usage)
    }
}

fn show(key_use: &KeyUse, key_ring: &KeyRing) -> Result<(), Failure> {
    for (index, tokens) in key_use.by_key.iter().enumerate() {
        let role = if index == 0 { ", which seals" } else { "" };
        outln!("key {}{role}: {}", index + 1, counted(*tokens, "token"))?;
    }
    let complaints: Vec<String> = [misplaced(key_use), unopenable(key_use)].into_iter().flatten().collect();
    if !complaints.is_empty() {
        return Err(Failure::runtime(complaints.join("\n")));
    }
    match key_use.unused_keys().as_slice() {
        _ if key_use.unbound > 0 => outln!(
            "Sealed without a place, as an older release did: {}, to be opened wherever a copy is put. `ops keys rotate` \
             binds what was not copied to the place where it stands.",
            counted(key_use.unbound, "token")
        )?,
        [] if key_use.by_key.len() > 1 => {
            outln!("Every key is needed: `ops keys rotate` moves the tokens to the first.")?;
        }
        [] => outln!("Every token opens.")?,
        needless => {
            let keys: Vec<String> = needless.iter().map(usize::to_string).collect();
            outln!(
                "No stored token needs key {}: it may be removed from KEY_RING once every process has the first key \
                 (they read KEY_RING_FILE again within a second) and no backup older than this is needed.",
                keys.join(", ")
            )?;
        }
    }
    show_marks(key_use, key_ring)
}

/// What is said of tokens that were copied or whose place was changed.
fn misplaced(key_use: &KeyUse) -> Option<String> {
    let refused: Vec<String> =
        key_use.refused.iter().map(|refused| format!("  {}: {}", refused.place, refused.error)).collect();
    (!refused.is_empty()).then(|| format!("not every token belongs where it stands:\n{}", refused.join("\n")))
}

/// What is said of tokens whose key is missing.
fn unopenable(key_use: &KeyUse) -> Option<String> {
    let addresses: Vec<&str> = key_use.unopenable.iter().map(event::Address::as_str).collect();
    (!addresses.is_empty()).then(|| {
        format!(
            "no key opens the tokens of {}: add the key that sealed them to KEY_RING, or store new tokens with \
             `ops channels add`; remove no key until then",
            addresses.join(", ")
        )
    })
}

/// The last step after an upgrade: without it, what was copied from Redis before the upgrade can still be put back.
fn show_marks(key_use: &KeyUse, key_ring: &KeyRing) -> Result<(), Failure> {
    let unmarked: Vec<String> = key_ring.unmarked_keys().iter().map(usize::to_string).collect();
    if key_use.unbound > 0 || unmarked.is_empty() {
        return Ok(());
    }
    outln!(
        "Every token is bound to its place. Write `bound:` before key {} in KEY_RING: a key so marked refuses what is \
         sealed without a place, so that nobody can put an old copy back into Redis.",
        unmarked.join(", ")
    )
}
