//! The file that `ops channels export` writes and `ops channels import` reads: a line for each thing, behind a head that says
//! how many of each there are.

use std::io::Write as _;
use std::path::Path;

use channels::{SavedErasure, SavedErasureKey, SavedErasures, SavedFormer, SavedHold, SavedRecord, TOMBSTONE_TIME};
use chassis::now;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::output::counted;

/// Says in the first line of a file what the file is, and in which version of the format.
const FORMAT: &str = "meta-integration-channels/5";
/// The format of older releases, which did not say who had connected a channel before.
const FORMAT_WITHOUT_FORMER: &str = "meta-integration-channels/4";
/// The format of still older ones, which held nobody.
const FORMAT_WITHOUT_HOLDS: &str = "meta-integration-channels/3";
/// The format of still older ones, whose erasures are hashed without a key.
const FORMAT_WITHOUT_KEYS: &str = "meta-integration-channels/2";
/// The format of the oldest, which had no erasures in it.
const FORMAT_WITHOUT_ERASURES: &str = "meta-integration-channels/1";

/// What is in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// When it was made, if it says so.
    pub(super) made_at: Option<Timestamp>,
    pub(super) erasures: SavedErasures,
    pub(super) records: Vec<SavedRecord>,
}

impl Saved {
    /// How many lines there are before the first record's.
    pub(super) fn lines_before_records(&self) -> usize {
        let SavedErasures { keys, erasures, holds, former } = &self.erasures;
        1 + keys.len() + erasures.len() + holds.len() + former.len()
    }

    /// Why it may be so old that nobody knows of all the erasures and removals since: each is known for 30 days.
    pub(super) fn age_fault(&self, now: Timestamp) -> Option<String> {
        let Some(made_at) = self.made_at else { return Some("does not say when it was made".to_owned()) };
        let is_old = now.duration_since(made_at).unsigned_abs() >= TOMBSTONE_TIME && made_at < now;
        is_old.then(|| format!("is of {made_at:.0}, more than 30 days ago"))
    }
}

/// Writes a temporary file beside it and renames that, so that a file of this name is always complete. Only its owner can
/// read it.
pub(super) fn write(path: &Path, saved: &Saved) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let SavedErasures { keys, erasures, holds, former } = &saved.erasures;
    let head = json!({
        "format": FORMAT,
        "saved_at": saved.made_at.unwrap_or_else(now).to_string(),
        "erasure_keys": keys.len(),
        "erasures": erasures.len(),
        "holds": holds.len(),
        "former": former.len(),
        "records": saved.records.len(),
    });
    writeln!(file, "{head}")?;
    write_lines(&mut file, keys)?;
    write_lines(&mut file, erasures)?;
    write_lines(&mut file, holds)?;
    write_lines(&mut file, former)?;
    write_lines(&mut file, &saved.records)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

fn write_lines(file: &mut impl std::io::Write, lines: &[impl Serialize]) -> std::io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(file, "{}", serde_json::to_string(line)?))
}

/// Reads the whole export or none of it: half a backup must not pass for a backup.
pub(super) fn read(bytes: &[u8]) -> Result<Saved, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not an export: it is not text".to_owned())?;
    let mut lines = text.lines();
    let head: Value = lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    let counts = Counts::of(&head)?;
    let mut lines = Lines { lines: lines.enumerate() };
    let erasures = SavedErasures {
        keys: lines.read(counts.keys, "a key of erasures", SavedErasureKey::fault)?,
        erasures: lines.read(counts.erasures, "an erasure", SavedErasure::fault)?,
        holds: lines.read(counts.holds, "a hold", SavedHold::fault)?,
        former: lines.read(counts.former, "a connection that has ended", SavedFormer::fault)?,
    };
    let records = lines.read(usize::MAX, "a record", SavedRecord::fault)?;
    let found = Counts {
        keys: erasures.keys.len(),
        erasures: erasures.erasures.len(),
        holds: erasures.holds.len(),
        former: erasures.former.len(),
        records: records.len(),
    };
    if found != counts {
        return Err(format!("is incomplete: it has {found}, and its first line announces other numbers"));
    }
    if let Some(id) = erasures.missing_key(&records) {
        return Err(format!("is incomplete: it lacks the key {id} by which its erasures are recognised"));
    }
    let made_at = head.get("saved_at").and_then(Value::as_str).and_then(|at| at.parse().ok());
    Ok(Saved { made_at, erasures, records })
}

/// How many of each there are in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    keys: usize,
    erasures: usize,
    holds: usize,
    former: usize,
    records: usize,
}

impl Counts {
    /// What the first line announces. Older formats lack what their releases did not know.
    fn of(head: &Value) -> Result<Self, String> {
        let formats =
            [FORMAT_WITHOUT_ERASURES, FORMAT_WITHOUT_KEYS, FORMAT_WITHOUT_HOLDS, FORMAT_WITHOUT_FORMER, FORMAT];
        let format = head.get("format").and_then(Value::as_str);
        let version = formats.iter().position(|known| format == Some(*known));
        let version = version.ok_or_else(|| "is not an export of `ops channels export`".to_owned())?;
        let count = |name: &str| {
            let count = head.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
            count.ok_or_else(|| format!("is incomplete: its first line does not announce {name}"))
        };
        let since = |first: usize, name: &str| if version >= first { count(name) } else { Ok(0) };
        Ok(Self {
            keys: since(2, "erasure_keys")?,
            erasures: since(1, "erasures")?,
            holds: since(3, "holds")?,
            former: since(4, "former")?,
            records: count("records")?,
        })
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keys, erasures, holds, former, records } = *self;
        let parts = [
            counted(keys, "key"),
            counted(erasures, "erasure"),
            counted(holds, "hold"),
            counted(former, "ended connection"),
        ];
        write!(f, "{} and {}", parts.join(", "), counted(records, "record"))
    }
}

/// The lines behind the first.
struct Lines<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
}

impl Lines<'_> {
    /// Reads the next lines, at most so many.
    fn read<T: DeserializeOwned>(
        &mut self,
        count: usize,
        what: &str,
        fault: impl Fn(&T) -> Option<String>,
    ) -> Result<Vec<T>, String> {
        let read = |(index, line): (usize, &str)| {
            let damaged = |reason: String| format!("is damaged in line {}: {reason}", index + 2);
            // The parser's own text would repeat the line, and with it sealed tokens.
            let parsed = serde_json::from_str(line).map_err(|_| damaged(format!("it is not {what}")))?;
            fault(&parsed).map_or(Ok(parsed), |reason| Err(damaged(reason)))
        };
        self.lines.by_ref().take(count).map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"address":"whatsapp:1","fields":{"tenant":"acme","dsk_token":"gAAAAA"}}"#;

    const HASH: &str = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b886f7e437faa5a7fce15d1ddc";

    const KEY_ID: &str = "0123456789abcdef";

    fn export(count: usize, lines: &[&str]) -> Vec<u8> {
        let head =
            format!(r#"{{"format":"{FORMAT}","erasure_keys":0,"erasures":0,"holds":0,"former":0,"records":{count}}}"#);
        [&[head.as_str()], lines].concat().join("\n").into_bytes()
    }

    #[test]
    fn a_complete_export_is_read() {
        assert_eq!(read(&export(1, &[RECORD])).unwrap().records[0].address, "whatsapp:1");
        assert_eq!(read(&export(0, &[])).unwrap(), Saved::default());
        let erasure = format!(r#"{{"erased":"{KEY_ID}:{HASH}","until":"2026-01-01T00:00:00Z"}}"#);
        let key = format!(r#"{{"erasure_key":"{KEY_ID}","sealed":"gAAAAA"}}"#);
        let hold = erasure.replace("erased", "held");
        let former = format!(
            r#"{{"person":"{KEY_ID}:{HASH}","address":"whatsapp:1","connected":"2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"}}"#
        );
        let head = |keys| {
            format!(r#"{{"format":"{FORMAT}","erasure_keys":{keys},"erasures":1,"holds":1,"former":1,"records":1}}"#)
        };
        let saved = read(format!("{}\n{key}\n{erasure}\n{hold}\n{former}\n{RECORD}", head(1)).as_bytes()).unwrap();
        assert_eq!(saved.erasures.holds[0].held, format!("{KEY_ID}:{HASH}"));
        assert_eq!(saved.erasures.former[0].address, "whatsapp:1");
        assert_eq!(saved.lines_before_records(), 5);
        assert_eq!(
            (saved.erasures.erasures[0].erased.as_str(), saved.records.len()),
            (format!("{KEY_ID}:{HASH}").as_str(), 1)
        );
        let fault = read(format!("{}\n{erasure}\n{hold}\n{former}\n{RECORD}", head(0)).as_bytes()).unwrap_err();
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
        let head =
            head.replace(FORMAT_WITHOUT_HOLDS, FORMAT_WITHOUT_FORMER).replace("\"records\"", "\"holds\":0,\"records\"");
        assert_eq!(read(format!("{head}\n{erasure}\n{RECORD}").as_bytes()).unwrap(), saved);
    }

    #[test]
    fn an_export_of_more_than_thirty_days_ago_or_of_nobody_knows_when_is_too_old() {
        let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();
        let fault = |made_at: &str| {
            let head = format!(r#"{{"format":"{FORMAT_WITHOUT_ERASURES}","saved_at":"{made_at}","records":1}}"#);
            read(format!("{head}\n{RECORD}").as_bytes()).unwrap().age_fault(now)
        };

        for young in ["2026-03-31T12:00:00Z", "2026-03-01T12:00:01Z", "2026-04-01T00:00:00Z"] {
            assert_eq!(fault(young), None, "{young}");
        }
        for old in ["2026-03-01T12:00:00Z", "2025-01-01T00:00:00Z"] {
            assert!(fault(old).is_some_and(|fault| fault.contains("more than 30 days ago")), "{old}");
        }
        assert!(fault("yesterday").is_some_and(|fault| fault.contains("does not say when")));
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
            (
                format!(
                    "{{\"format\":\"{FORMAT}\",\"erasure_keys\":1,\"erasures\":0,\"holds\":0,\"former\":0,\"records\":0}}\n{RECORD}"
                )
                .into_bytes(),
                "line 2",
            ),
            (RECORD.as_bytes().to_vec(), "not an export"),
            (vec![0xff, 0xfe], "not text"),
        ] {
            let fault = read(&damaged).unwrap_err();
            assert!(fault.contains(complaint) && !fault.contains("gAAAAA"), "{fault}");
        }
    }
}
