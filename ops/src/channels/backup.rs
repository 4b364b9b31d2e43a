//! `ops channels export` and `ops channels import`: every record in a file, with its tokens sealed and without the key,
//! and the erasures that an import must not undo.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use channels::{
    ChannelStore, Imported, SavedErasure, SavedErasureKey, SavedErasures, SavedHold, SavedRecord, new_erasure_code,
};
use chassis::now;
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::open::StoreAccess;
use crate::output::{counted, outln};

/// Says in the first line of a file what the file is, and in which version of the format.
const FORMAT: &str = "meta-integration-channels/4";
/// The format of older releases, which held nobody.
const FORMAT_WITHOUT_HOLDS: &str = "meta-integration-channels/3";
/// The format of still older ones, whose erasures are hashed without a key.
const FORMAT_WITHOUT_KEYS: &str = "meta-integration-channels/2";
/// The format of the oldest, which had no erasures in it.
const FORMAT_WITHOUT_ERASURES: &str = "meta-integration-channels/1";

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
    #[command(flatten)]
    store: StoreAccess,
}

/// What is in a file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Saved {
    erasures: SavedErasures,
    records: Vec<SavedRecord>,
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
            let records = store.export().await?;
            Ok(Saved { records, erasures: store.export_erasures().await? })
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

/// Writes a temporary file beside it and renames that, so that a file of this name is always complete. Only its owner can
/// read it.
fn write(path: &Path, saved: &Saved) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let Saved { erasures: SavedErasures { keys, erasures, holds }, records } = saved;
    let head = json!({
        "format": FORMAT,
        "saved_at": now().to_string(),
        "erasure_keys": keys.len(),
        "erasures": erasures.len(),
        "holds": holds.len(),
        "records": records.len(),
    });
    writeln!(file, "{head}")?;
    write_lines(&mut file, keys)?;
    write_lines(&mut file, erasures)?;
    write_lines(&mut file, holds)?;
    write_lines(&mut file, records)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

fn write_lines(file: &mut impl std::io::Write, lines: &[impl Serialize]) -> std::io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(file, "{}", serde_json::to_string(line)?))
}

impl Import {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let saved = read(&files::read(&self.file)?).map_err(|fault| {
            Failure::usage(format!("{} {fault}; nothing was stored: try an older export", self.file.display()))
        })?;
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
    let SavedErasures { keys, erasures, holds } = &saved.erasures;
    let first_line = 2 + keys.len() + erasures.len() + holds.len();
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

/// Reads the whole export or none of it: half a backup must not pass for a backup.
fn read(bytes: &[u8]) -> Result<Saved, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not an export: it is not text".to_owned())?;
    let mut lines = text.lines();
    let head: Value = lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    let count = |name: &str| head.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    let announced = match head.get("format").and_then(Value::as_str) {
        Some(FORMAT) => [count("erasure_keys"), count("erasures"), count("holds"), count("records")],
        Some(FORMAT_WITHOUT_HOLDS) => [count("erasure_keys"), count("erasures"), Some(0), count("records")],
        Some(FORMAT_WITHOUT_KEYS) => [Some(0), count("erasures"), Some(0), count("records")],
        Some(FORMAT_WITHOUT_ERASURES) => [Some(0), Some(0), Some(0), count("records")],
        _ => return Err("is not an export of `ops channels export`".to_owned()),
    };
    let [key_count, erasure_count, hold_count, _] = announced;
    let mut lines = lines.enumerate().map(|(index, line)| Line { number: index + 2, text: line });
    let keys = lines.by_ref().take(key_count.unwrap_or_default());
    let keys =
        keys.map(|line| line.parse("a key of erasures", SavedErasureKey::fault)).collect::<Result<Vec<_>, _>>()?;
    let erasures = lines.by_ref().take(erasure_count.unwrap_or_default());
    let erasures = erasures.map(|line| line.parse("an erasure", SavedErasure::fault)).collect::<Result<Vec<_>, _>>()?;
    let holds = lines.by_ref().take(hold_count.unwrap_or_default());
    let holds = holds.map(|line| line.parse("a hold", SavedHold::fault)).collect::<Result<Vec<_>, _>>()?;
    let records = lines.map(|line| line.parse("a record", SavedRecord::fault)).collect::<Result<Vec<_>, _>>()?;
    if announced == [keys.len(), erasures.len(), holds.len(), records.len()].map(Some) {
        let erasures = SavedErasures { keys, erasures, holds };
        return match erasures.missing_key(&records) {
            None => Ok(Saved { erasures, records }),
            Some(id) => Err(format!("is incomplete: it lacks the key {id} by which its erasures are recognised")),
        };
    }
    Err(format!(
        "is incomplete: it has {}, {}, {} and {}, and its first line announces other numbers",
        counted(keys.len(), "key"),
        counted(erasures.len(), "erasure"),
        counted(holds.len(), "hold"),
        counted(records.len(), "record")
    ))
}

/// One line of a file.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn parse<T: DeserializeOwned>(self, what: &str, fault: impl Fn(&T) -> Option<String>) -> Result<T, String> {
        let damaged = |reason: String| format!("is damaged in line {}: {reason}", self.number);
        // The parser's own text would repeat the line, and with it sealed tokens.
        let parsed = serde_json::from_str(self.text).map_err(|_| damaged(format!("it is not {what}")))?;
        fault(&parsed).map_or(Ok(parsed), |reason| Err(damaged(reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"address":"whatsapp:1","fields":{"tenant":"acme","dsk_token":"gAAAAA"}}"#;

    const HASH: &str = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b886f7e437faa5a7fce15d1ddc";

    const KEY_ID: &str = "0123456789abcdef";

    fn export(count: usize, lines: &[&str]) -> Vec<u8> {
        let head = format!(r#"{{"format":"{FORMAT}","erasure_keys":0,"erasures":0,"holds":0,"records":{count}}}"#);
        [&[head.as_str()], lines].concat().join("\n").into_bytes()
    }

    #[test]
    fn a_complete_export_is_read() {
        assert_eq!(read(&export(1, &[RECORD])).unwrap().records[0].address, "whatsapp:1");
        assert_eq!(read(&export(0, &[])).unwrap(), Saved::default());
        let erasure = format!(r#"{{"erased":"{KEY_ID}:{HASH}","until":"2026-01-01T00:00:00Z"}}"#);
        let key = format!(r#"{{"erasure_key":"{KEY_ID}","sealed":"gAAAAA"}}"#);
        let hold = erasure.replace("erased", "held");
        let head =
            |keys| format!(r#"{{"format":"{FORMAT}","erasure_keys":{keys},"erasures":1,"holds":1,"records":1}}"#);
        let saved = read(format!("{}\n{key}\n{erasure}\n{hold}\n{RECORD}", head(1)).as_bytes()).unwrap();
        assert_eq!(saved.erasures.holds[0].held, format!("{KEY_ID}:{HASH}"));
        assert_eq!(
            (saved.erasures.erasures[0].erased.as_str(), saved.records.len()),
            (format!("{KEY_ID}:{HASH}").as_str(), 1)
        );
        let fault = read(format!("{}\n{erasure}\n{hold}\n{RECORD}", head(0)).as_bytes()).unwrap_err();
        assert!(fault.contains("lacks the key 0123456789abcdef"), "{fault}");
        let tombstone = RECORD.replace("\"tenant\"", &format!("\"app_user_hash\":\"{KEY_ID}:{HASH}\",\"tenant\""));
        assert!(read(&export(1, &[&tombstone])).unwrap_err().contains("lacks the key"), "{tombstone}");
    }

    #[test]
    fn an_export_of_an_older_release_is_read() {
        let head = format!(r#"{{"format":"{FORMAT_WITHOUT_ERASURES}","saved_at":"2026-01-01T00:00:00Z","records":1}}"#);

        assert_eq!(read(format!("{head}\n{RECORD}").as_bytes()).unwrap().records.len(), 1);
        let erasure = format!(r#"{{"erased":"{HASH}","until":"2026-01-01T00:00:00Z"}}"#);
        let head = format!(r#"{{"format":"{FORMAT_WITHOUT_KEYS}","erasures":1,"records":1}}"#);
        let saved = read(format!("{head}\n{erasure}\n{RECORD}").as_bytes()).unwrap();
        assert_eq!((saved.erasures.erasures[0].erased.as_str(), saved.records.len()), (HASH, 1));
        let head = format!(r#"{{"format":"{FORMAT_WITHOUT_HOLDS}","erasure_keys":0,"erasures":1,"records":1}}"#);
        assert_eq!(read(format!("{head}\n{erasure}\n{RECORD}").as_bytes()).unwrap(), saved);
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
            (format!("{{\"format\":\"{FORMAT}\",\"records\":1}}\n{RECORD}").into_bytes(), "incomplete"),
            (
                format!("{{\"format\":\"{FORMAT_WITHOUT_KEYS}\",\"erasures\":1,\"records\":0}}\n{RECORD}").into_bytes(),
                "line 2",
            ),
            (format!("{{\"format\":\"{FORMAT}\",\"erasure_keys\":1,\"records\":0}}\n{RECORD}").into_bytes(), "line 2"),
            (RECORD.as_bytes().to_vec(), "not an export"),
            (vec![0xff, 0xfe], "not text"),
        ] {
            let fault = read(&damaged).unwrap_err();
            assert!(fault.contains(complaint) && !fault.contains("gAAAAA"), "{fault}");
        }
    }
}
