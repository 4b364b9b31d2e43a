//! `ops channels export` and `ops channels import`: every record in a file, with its tokens sealed and without the key.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use channels::{ChannelStore, SavedRecord};
use chassis::now;
use clap::Args;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::open::StoreAccess;
use crate::output::{counted, outln};

/// Says in the first line of a file what the file is, and in which version of the format.
const FORMAT: &str = "meta-integration-channels/1";

/// Writes every record into a file. The tokens stay sealed, so keep the key ring somewhere else.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The file, which must not exist yet.
    file: PathBuf,
    #[command(flatten)]
    store: StoreAccess,
}

/// Stores the records of an export. A record that the store has already is newer and stays as it is, so an import may be
/// repeated.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The file; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    store: StoreAccess,
}

impl Export {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let records = self.store.with(async |store| Ok(store.export().await?)).await?;
        let file = self.file.display();
        write(&self.file, &records)
            .map_err(|error| Failure::runtime(format!("can't write {file} ({error}): name a new file")))?;
        let saved = counted(records.len(), "record");
        outln!("Saved {saved} in {file}, with the tokens sealed; the key ring that opens them is not in it")
    }
}

/// Writes a temporary file beside it and renames that, so that a file of this name is always complete. Only its owner can
/// read it.
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
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let records = read(&files::read(&self.file)?).map_err(|fault| {
            Failure::usage(format!("{} {fault}; nothing was stored: try an older export", self.file.display()))
        })?;
        let stored = self.store.with(async |store| import(&store, &records).await).await?;
        let present = records.len() - stored;
        outln!("Stored {}; the store had {present} already and kept them as they were", counted(stored, "record"))?;
        outln!("`ops keys check` says whether the key ring opens their tokens. If a channel was removed or got a new")?;
        outln!("token after the export, do that again.")
    }
}

async fn import(store: &ChannelStore, records: &[SavedRecord]) -> Result<usize, Failure> {
    let mut stored = 0;
    for record in records {
        stored += usize::from(store.import(record, now()).await?);
    }
    Ok(stored)
}

/// Reads the whole export or none of it: half a backup must not pass for a backup.
fn read(bytes: &[u8]) -> Result<Vec<SavedRecord>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not an export: it is not text".to_owned())?;
    let mut lines = text.lines();
    let head: Value = lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    if head.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err("is not an export of `ops channels export`".to_owned());
    }
    let records = lines.enumerate().map(|(index, line)| {
        let fault = |reason: String| format!("is damaged in line {}: {reason}", index + 2);
        // The parser's own text would repeat the line, and with it sealed tokens.
        let record: SavedRecord = serde_json::from_str(line).map_err(|_| fault("it is not a record".to_owned()))?;
        record.fault().map_or(Ok(record), |reason| Err(fault(reason)))
    });
    let records = records.collect::<Result<Vec<_>, _>>()?;
    match head.get("records").and_then(Value::as_u64) {
        Some(count) if count == records.len() as u64 => Ok(records),
        _ => Err(format!(
            "is incomplete: it has {}, and its first line announces another number",
            counted(records.len(), "record")
        )),
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
    fn a_complete_export_is_read() {
        assert_eq!(read(&export(1, &[RECORD])).unwrap()[0].address, "whatsapp:1");
        assert_eq!(read(&export(0, &[])).unwrap(), []);
    }

    #[test]
    fn a_damaged_export_is_refused_as_a_whole_and_its_text_is_not_repeated() {
        let cut = &RECORD[..RECORD.len() - 20];
        let stranger = r#"{"address":"whatsapp:1","fields":{"tenant":"acme","state":"sleeping"}}"#;
        for (damaged, complaint) in [
            (export(2, &[RECORD]), "incomplete"),
            (export(1, &[cut]), "line 2"),
            (export(1, &[stranger]), "line 2"),
            (export(1, &[r#"{"address":"","fields":{}}"#]), "no address"),
            (RECORD.as_bytes().to_vec(), "not an export"),
            (vec![0xff, 0xfe], "not text"),
        ] {
            let fault = read(&damaged).unwrap_err();
            assert!(fault.contains(complaint) && !fault.contains("gAAAAA"), "{fault}");
        }
    }
}
