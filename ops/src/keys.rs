//! `ops keys`: the keys that seal tokens.

use channels::{KeyRing, KeyRingSettings, KeyUse, Metrics, new_key};
use clap::{Args, Subcommand};
use prometheus::Registry;

use crate::cli::Failed;
use crate::open::StoreAt;

/// Makes keys for the key ring, and moves tokens from one to the next.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Prints a new key. Put it into the file that `KEY_RING_FILE` names, apart from the channel store and its backups:
    /// tokens sealed with it open with nothing else.
    New,
    /// Seals every stored token with the first key. Workers may run meanwhile; it may be stopped and started again.
    Rotate(Ring),
    /// Says which keys the stored tokens need. Exit code 1 if one opens with none.
    Check(Ring),
}

/// The ring and the store that it belongs to.
#[derive(Args, Debug)]
pub(crate) struct Ring {
    #[command(flatten)]
    key_ring: KeyRingSettings,
    #[command(flatten)]
    store: StoreAt,
}

impl Keys {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let found = match self {
            Self::New => {
                println!("{}", new_key().expose());
                return Ok(());
            }
            Self::Rotate(ring) => {
                let key_ring = ring.load()?;
                let found = ring.store.with(async |store| Ok(store.reseal(&key_ring).await?)).await?;
                println!("Sealed {} tokens anew, with the first key", found.resealed);
                found
            }
            Self::Check(ring) => {
                let key_ring = ring.load()?;
                ring.store.with(async |store| Ok(store.key_use(&key_ring).await?)).await?
            }
        };
        show(&found)
    }
}

impl Ring {
    fn load(&self) -> Result<KeyRing, Failed> {
        KeyRing::load(&self.key_ring, &Metrics::register(&Registry::new())?).map_err(Failed::wrong)
    }
}

fn show(found: &KeyUse) -> Result<(), Failed> {
    for (index, tokens) in found.by_key.iter().enumerate() {
        let role = if index == 0 { ", which seals" } else { "" };
        println!("key {}{role}: {tokens} tokens", index + 1);
    }
    if !found.unopenable.is_empty() {
        let addresses: Vec<&str> = found.unopenable.iter().map(event::Address::as_str).collect();
        return Err(Failed::tried(format!(
            "tokens of {} open with no key: add the key that sealed them to KEY_RING, or store new tokens with \
             `ops channels add`; remove no key until then",
            addresses.join(", ")
        )));
    }
    match found.unused_keys().as_slice() {
        [] if found.by_key.len() > 1 => {
            println!("Every key is needed: `ops keys rotate` moves the tokens to the first.");
        }
        [] => println!("Every token opens."),
        needless => {
            let keys: Vec<String> = needless.iter().map(usize::to_string).collect();
            println!(
                "No stored token needs key {}: it may be removed from KEY_RING once every process has the first key \
                 (they read KEY_RING_FILE again within a second) and no backup older than this is needed.",
                keys.join(", ")
            );
        }
    }
    Ok(())
}
