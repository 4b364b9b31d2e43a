//! `ops channels export` and `ops channels import`: every record in a file, tokens sealed, without the key.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use channels::{ChannelStore, SavedRecord};
use chassis::now;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::Failed;
use crate::files;
use crate::open::StoreAt;

/// First word of a file: what it is, and in which form.
const FORMAT: &str = "meta-integration-channels/1";

/// Writes every record into a file. Tokens stay sealed: keep the key ring somewhere else.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The file, which must not exist yet.
    file: PathBuf,
    #[command(flatten)]
    store: StoreAt,
}

/// Stores the records of an export. One that is in the store already is newer, and stays as it is; so an import may be
/// repeated.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    store: StoreAt,
}

impl Export {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let records = self.store.with(async |store| Ok(store.export().await?)).await?;
        let file = self.file.display();
        write(&self.file, &records)
            .map_err(|error| Failed::tried(format!("can't write {file} ({error}): name a new file")))?;
        println!("Saved {} records in {file}, tokens sealed; the key ring that opens them is not in it", records.len());
        Ok(())
    }
}

/// Beside the file first, so that a file of that name is a whole one. Readable by its owner only.
fn write(path: &Path, records: &[SavedRecord]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let head = json!({ "format": FORMAT, "saved_at": now().to_string(), "records": records.len() });
    writeln!(file, "{head}")?;
    for record in records {
        writeln!(file, "{}", serde_json::to_string(record)?)?;
    }
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

impl Import {
    pub(crate) async fn run(self) -> Result<(), Failed> {
        let records = read(&files::read(&self.file)?).map_err(|fault| {
            Failed::wrong(format!("{} {fault}; nothing was stored: try an older export", self.file.display()))
        })?;
        let stored = self.store.with(async |store| import(&store, &records).await).await?;
        println!("Stored {stored} records; {} were there already and stay as they are", records.len() - stored);
        println!(
            "`ops keys check` says whether the key ring opens their tokens. What was removed, or given a new token,"
        );
        println!("after the export has to be done again.");
        Ok(())
    }
}

async fn import(store: &ChannelStore, records: &[SavedRecord]) -> Result<usize, Failed> {
    let mut stored = 0;
    for record in records {
        stored += usize::from(store.import(record, now()).await?);
    }
    Ok(stored)
}

/// All of it or nothing: half a backup must not pass for one.
fn read(bytes: &[u8]) -> Result<Vec<SavedRecord>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no export: it is no text".to_owned())?;
    let mut lines = text.lines();
    let head: Value = lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    if head.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err("is no export of `ops channels export`".to_owned());
    }
    let records = lines.enumerate().map(|(index, line)| {
        let fault = |fault: String| format!("is damaged in line {}: {fault}", index + 2);
        // The parser's own text would repeat what stands there.
        let record: SavedRecord = serde_json::from_str(line).map_err(|_| fault("it is no record".to_owned()))?;
        record.fault().map_or(Ok(record), |found| Err(fault(found)))
    });
    let records = records.collect::<Result<Vec<_>, _>>()?;
    match head.get("records").and_then(Value::as_u64) {
        Some(count) if count == records.len() as u64 => Ok(records),
        _ => Err(format!("is not whole: it holds {} records, and says that it holds another number", records.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"address":"whatsapp:1","fields":{"tenant":"acme","dsk_token":"gAAAAA"}}"#;

    fn export(count: usize, lines: &[&str]) -> Vec<u8> {
        let head = format!(r#"{{"format":"{FORMAT}","saved_at":"2026-01-01T00:00:00Z","records":{count}}}"#);
        [&[head.as_str()], lines].concat().join("\n").into_bytes()
    }

    #[test]
    fn a_whole_export_is_read() {
        assert_eq!(read(&export(1, &[RECORD])).unwrap()[0].address, "whatsapp:1");
        assert_eq!(read(&export(0, &[])).unwrap(), []);
    }

    #[test]
    fn a_damaged_export_is_refused_as_a_whole_and_not_repeated() {
        let cut = &RECORD[..RECORD.len() - 20];
        let stranger = r#"{"address":"whatsapp:1","fields":{"tenant":"acme","state":"sleeping"}}"#;
        for (wrong, says) in [
            (export(2, &[RECORD]), "not whole"),
            (export(1, &[cut]), "line 2"),
            (export(1, &[stranger]), "line 2"),
            (export(1, &[r#"{"address":"","fields":{}}"#]), "no address"),
            (RECORD.as_bytes().to_vec(), "no export"),
            (vec![0xff, 0xfe], "no text"),
        ] {
            let fault = read(&wrong).unwrap_err();
            assert!(fault.contains(says) && !fault.contains("gAAAAA"), "{fault}");
        }
    }
}
