//! `ops channels export` and `ops channels import`: every record in a file, with its tokens sealed and without the key,
//! and the erasures that an import must not undo.

use std::path::PathBuf;

use channels::{ChannelStore, Imported, new_erasure_code};
use chassis::now;
use clap::Args;

use super::backup_file::{Saved, read, write};
use crate::failure::Failure;
use crate::files;
use crate::open::StoreAccess;
use crate::output::{counted, outln};

/// Writes every record into a file. The tokens stay sealed, so keep the key ring somewhere else.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The file, which must not exist yet.
    file: PathBuf,
    #[command(flatten)]
    store: StoreAccess,
}

/// Stores the records of an export. Where the store has a record already the newer one stays, and the erasures of the file
/// are carried out, so exports may be imported in any order and more than once. What was erased since it was connected is
/// not stored.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file; `-` is standard input.
    file: PathBuf,
    /// Imports a file that is more than 30 days old. Erasures and removals are known for 30 days only, so it may bring back
    /// people and channels of whom nobody knows any more that they were erased or removed since: do that again.
    #[arg(long)]
    although_old: bool,
    #[command(flatten)]
    store: StoreAccess,
}

/// What became of the records of a file.
#[derive(Debug, Default)]
struct Tally {
    stored: usize,
    replaced: usize,
    present: usize,
    erased: usize,
    /// Records of the store that an erasure of the file concerns.
    removed: usize,
    /// Holds for which there was no room.
    holds_left_out: usize,
    /// Which records are not stored, by the lines of the file, and why.
    refused: Vec<String>,
}

impl Export {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let export = async |store: ChannelStore| {
            // Erasures last: what is erased meanwhile is then not restored with its record.
            let made_at = Some(now());
            let records = store.export().await?;
            Ok(Saved { made_at, records, erasures: store.export_erasures().await? })
        };
        let saved = self.store.with(export).await?;
        let file = self.file.display();
        write(&self.file, &saved)
            .map_err(|error| Failure::runtime(format!("can't write {file} ({error}): name a new file")))?;
        let records = counted(saved.records.len(), "record");
        let erasures = counted(saved.erasures.erasures.len(), "erasure");
        outln!("Saved {records} in {file}, with the tokens sealed; the key ring that opens them is not in it")?;
        outln!(
            "It also says, by hashes that only this key ring can compare, what {erasures} concern, so that an import"
        )?;
        outln!("does not bring that back.")
    }
}

impl Import {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let saved = read(&files::read(&self.file)?).map_err(|fault| {
            Failure::usage(format!("{} {fault}; nothing was stored: try an older export", self.file.display()))
        })?;
        if let Some(fault) = saved.age_fault(now()).filter(|_| !self.although_old) {
            return Err(Failure::usage(format!(
                "{} {fault}, and erasures and removals are known for 30 days only, so what was erased or removed since could \
                 come back; nothing was stored: import a newer export, or add --although-old and then erase and remove it again",
                self.file.display()
            )));
        }
        let tally = self.store.with(async |store| import(&store, &saved).await).await?;
        let Tally { stored, replaced, present, erased, removed, holds_left_out, refused } = tally;
        outln!("Stored {}; the store had {present} already and kept them as they were", counted(stored, "record"))?;
        outln!("Replaced {}: older than in the file", counted(replaced, "record"))?;
        outln!("Skipped {}: erased since, by the store or by the file", counted(erased, "record"))?;
        outln!("Removed {} from the store: erased since, by the file", counted(removed, "record"))?;
        outln!("`ops keys check` says whether the key ring opens their tokens. If a channel was removed or got a new")?;
        outln!("token after the export, do that again.")?;
        for line in &refused {
            outln!("Refused {line}")?;
        }
        if holds_left_out > 0 {
            let holds = counted(holds_left_out, "hold");
            return Err(Failure::runtime(format!(
                "{holds} of the file left out, because more ids would be held than can be: release others (`ops hold \
                 --release`), and import the file again"
            )));
        }
        if refused.is_empty() {
            return Ok(());
        }
        Err(Failure::runtime(format!(
            "{} not stored, everything else is: an older version took other names. Write a name that is taken into each of \
             these lines and import the file again, or store the channels with `ops channels add`",
            if refused.len() == 1 { "1 record is".to_owned() } else { format!("{} records are", refused.len()) }
        )))
    }
}

async fn import(store: &ChannelStore, saved: &Saved) -> Result<Tally, Failure> {
    let removed = store.import_erasures(&saved.erasures, &new_erasure_code(), now()).await?;
    let holds_left_out = store.import_holds(&saved.erasures.holds, now()).await?;
    let mut tally = Tally { removed, holds_left_out, ..Tally::default() };
    let first_line = 1 + saved.lines_before_records();
    for (index, record) in saved.records.iter().enumerate() {
        match store.import(record, now()).await? {
            Imported::Stored => tally.stored += 1,
            Imported::Replaced => tally.replaced += 1,
            Imported::Present => tally.present += 1,
            Imported::Erased => tally.erased += 1,
            Imported::Refused(reason) => {
                tally.refused.push(format!("line {}, {}: {reason}", first_line + index, record.address.escape_debug()));
            }
        }
    }
    Ok(tally)
}
