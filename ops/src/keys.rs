//! `ops keys`: the keys that seal tokens.

use channels::{ChannelStore, KeyRing, KeyUse, new_key};
use chassis::now;
use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::open::StoreAccess;
use crate::output::{counted, outln};

/// What to do if the key by which erasures are recognised does not open.
pub(crate) const RECOGNISE_AGAIN: &str = "add the key that sealed it to KEY_RING (runbook, \"What was erased is not \
                                          recognised\")";

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
    /// Forgets the erasures of the last 30 days whose key opens with no key of the ring, if that key is lost for ever. Until
    /// then nothing is delivered; afterwards what still waits of erased people is.
    ForgetErasures(ForgetErasures),
}

/// The key ring and the store whose tokens it seals.
#[derive(Args, Debug)]
pub(crate) struct Ring {
    #[command(flatten)]
    store: StoreAccess,
}

/// Gives up what nobody can recognise any more.
#[derive(Args, Debug)]
pub(crate) struct ForgetErasures {
    /// Forgets; without it the command only says what that means.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    ring: Ring,
}

impl Keys {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::New => outln!("{}", new_key().expose()),
            Self::Rotate(ring) => {
                let key_ring = ring.store.key_ring()?;
                let key_use = ring.store.with(async |store| Ok(store.reseal(&key_ring).await?)).await?;
                outln!("Sealed {} again, with the first key", counted(key_use.resealed, "token"))?;
                if key_use.resealed_erasure_keys > 0 {
                    outln!("Sealed the key of the erasures again, too")?;
                }
                show(&key_use, &key_ring)
            }
            Self::Check(ring) => {
                let key_ring = ring.store.key_ring()?;
                let key_use = ring.store.with(async |store| Ok(store.key_use(&key_ring).await?)).await?;
                show(&key_use, &key_ring)
            }
            Self::ForgetErasures(forget) => forget.run().await,
        }
    }
}

impl ForgetErasures {
    async fn run(self) -> Result<(), Failure> {
        let key_ring = self.ring.store.key_ring()?;
        let key_use = self.ring.store.with(async |store| Ok(store.key_use(&key_ring).await?)).await?;
        if key_use.unopenable_erasure_keys.is_empty() {
            return outln!("Every erasure is recognised: there is nothing to forget.");
        }
        if !self.yes {
            outln!(
                "Would forget which conversations and channels were erased in the last 30 days. What still waits of"
            )?;
            outln!(
                "theirs is then delivered, an import brings their records back, and what Meta repeats is delivered."
            )?;
            outln!("Put the missing key back into KEY_RING instead, if it can be found anywhere.")?;
            return outln!("Nothing is done yet: stop the dispatchers, then add --yes.");
        }
        self.ring.store.with(async |store| forget(&store, &key_ring).await).await?;
        outln!(
            "Forgotten. Now repeat the erasures of the last 30 days that you know of, with `ops erase`, and then start"
        )?;
        outln!("the dispatchers: what still waits of these is discarded.")
    }
}

/// While dispatchers run, it may be only this command that lacks the key.
async fn forget(store: &ChannelStore, key_ring: &KeyRing) -> Result<(), Failure> {
    let dispatchers = store.living_dispatchers().await?;
    if dispatchers > 0 {
        let running = counted(dispatchers, "dispatcher");
        return Err(Failure::runtime(format!(
            "nothing is forgotten: {running} reported in the last 30 seconds; if they deliver, their key ring is the right \
             one, and this one is not; if they don't, stop them first"
        )));
    }
    store.forget_unopenable_erasures(key_ring, now()).await?;
    Ok(())
}

fn show(key_use: &KeyUse, key_ring: &KeyRing) -> Result<(), Failure> {
    for (index, tokens) in key_use.by_key.iter().enumerate() {
        let role = if index == 0 { ", which seals" } else { "" };
        outln!("key {}{role}: {}", index + 1, counted(*tokens, "token"))?;
    }
    let complaints: Vec<String> = [
        misplaced(key_use),
        unopenable(key_use),
        unrecognised(key_use).map(|what| format!("{what}: {RECOGNISE_AGAIN}")),
    ]
    .into_iter()
    .flatten()
    .collect();
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

/// What is said if nobody can say what was erased.
pub(crate) fn unrecognised(key_use: &KeyUse) -> Option<String> {
    let ids = &key_use.unopenable_erasure_keys;
    (!ids.is_empty()).then(|| {
        format!("no key opens the key by which erasures are recognised ({}), so nothing is delivered", ids.join(", "))
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
