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
    /// Seals every stored token with the first key. Dispatchers may run meanwhile, and the command may be interrupted and
    /// run again.
    Rotate(Ring),
    /// Shows which keys the stored tokens need. The exit code is 1 if no key opens one of them.
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
        let key_use = match self {
            Self::New => {
                return outln!("{}", new_key().expose());
            }
            Self::Rotate(ring) => {
                let key_ring = ring.load()?;
                let key_use = ring.store.with(async |store| Ok(store.reseal(&key_ring).await?)).await?;
                outln!("SealedSecret {} again, with the first key", counted(key_use.resealed, "token"))?;
                key_use
            }
            Self::Check(ring) => {
                let key_ring = ring.load()?;
                ring.store.with(async |store| Ok(store.key_use(&key_ring).await?)).await?
            }
        };
        show(&key_use)
    }
}

impl Ring {
    fn load(&self) -> Result<KeyRing, Failure> {
        KeyRing::load(&self.key_ring, &Metrics::register(&Registry::new())?).map_err(Failure::usage)
    }
}

fn show(key_use: &KeyUse) -> Result<(), Failure> {
    for (index, tokens) in key_use.by_key.iter().enumerate() {
        let role = if index == 0 { ", which seals" } else { "" };
        outln!("key {}{role}: {}", index + 1, counted(*tokens, "token"))?;
    }
    if !key_use.unopenable.is_empty() {
        let addresses: Vec<&str> = key_use.unopenable.iter().map(event::Address::as_str).collect();
        return Err(Failure::runtime(format!(
            "no key opens the tokens of {}: add the key that sealed them to KEY_RING, or store new tokens with \
             `ops channels add`; remove no key until then",
            addresses.join(", ")
        )));
    }
    match key_use.unused_keys().as_slice() {
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
    Ok(())
}
