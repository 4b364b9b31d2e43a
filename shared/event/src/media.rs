//! The files of an event: those of WhatsApp by the id under which Meta stores them, those of the other platforms by URL.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::json::{Document, Value};

/// A file: each text is JSON as Meta wrote it, text or number.
#[derive(Clone, Debug, Default)]
pub(crate) struct File<'d> {
    pub(crate) id: Option<Cow<'d, str>>,
    pub(crate) url: Option<Cow<'d, str>>,
    pub(crate) kind: Option<&'static str>,
    pub(crate) mime_type: Option<Cow<'d, str>>,
    pub(crate) sha256: Option<Cow<'d, str>>,
    pub(crate) filename: Option<Cow<'d, str>>,
    pub(crate) caption: Option<Cow<'d, str>>,
    pub(crate) is_voice: bool,
    /// Until when the URL works, if it says so.
    pub(crate) expires: Option<Timestamp>,
}

/// The files of a WhatsApp item, of the message that an edit made of it, and of a flow that a person finished.
pub(crate) fn media(item: Value<'_>) -> Vec<File<'_>> {
    let mut files = Vec::new();
    match item.get("type").and_then(Value::text).as_deref() {
        Some("interactive") => flow_files(item, &mut files),
        // An echo in `standby` has its content one level deeper.
        None => files.extend(item.get("message").and_then(message_file)),
        Some("edit") => files.extend(item.at(&["edit", "message"]).and_then(message_file)),
        Some(_) => files.extend(message_file(item)),
    }
    files
}

/// A file that Meta gives by its URL, which needs no token.
pub(crate) fn linked_file<'d>(url: Value<'d>, kind: Option<&'static str>) -> Option<File<'d>> {
    let text = url.text().filter(|text| !text.is_empty())?;
    Some(File { url: Some(Cow::Borrowed(url.raw())), kind, expires: expiry(&text), ..File::default() })
}

/// Until when a signed URL of Meta's works: `oe` is in hexadecimal seconds, `ext` in decimal ones.
fn expiry(url: &str) -> Option<Timestamp> {
    let query = url.split_once('?')?.1;
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let seconds = match value("oe") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => value("ext")?.parse().ok(),
    };
    Timestamp::from_second(seconds.filter(|seconds| *seconds > 0)?).ok()
}

fn message_file(message: Value<'_>) -> Option<File<'_>> {
    let kind = message.get("type")?.text()?;
    let kind = ["image", "video", "audio", "document", "sticker"].into_iter().find(|known| *known == kind)?;
    let file = message.get(kind)?;
    let read = read(file, Cow::Borrowed)?;
    Some(File { kind: Some(kind), is_voice: file.get("voice").is_some_and(Value::is_true), ..read })
}

/// The answers of a flow are JSON in a text. Its files stand under names that the business chose.
fn flow_files(item: Value<'_>, files: &mut Vec<File<'_>>) {
    let answers = item.at(&["interactive", "nfm_reply", "response_json"]).and_then(Value::text);
    let Some(answers) = answers else { return };
    if let Some(document) = Document::parse(answers.as_bytes()) {
        collect(document.root(), files);
    }
}

/// Adds every object that has an id and says what kind of file it is.
fn collect(value: Value<'_>, files: &mut Vec<File<'_>>) {
    if value.get("mime_type").or_else(|| value.get("sha256")).is_some() {
        files.extend(read(value, |raw| Cow::Owned(raw.to_owned())));
    }
    value.items().for_each(|item| collect(item, files));
    value.members().for_each(|member| collect(member.value, files));
}

fn read<'v, 'd>(file: Value<'v>, keep: impl Fn(&'v str) -> Cow<'d, str>) -> Option<File<'d>> {
    let member = |name: &str| file.get(name).filter(|value| value.is_scalar()).map(|value| keep(value.raw()));
    Some(File {
        id: Some(member("id")?),
        mime_type: member("mime_type"),
        sha256: member("sha256"),
        filename: member("filename").or_else(|| member("file_name")),
        caption: member("caption"),
        ..File::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_url_says_until_when_it_works() {
        let until = |url: &str| expiry(url).map(|at| at.to_string());

        assert_eq!(until("https://x.fbcdn.net/a.jpg?a=1&oe=6955B900").as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(
            until("https://lookaside.fbsbx.com/a/?ext=1767225600&hash=b").as_deref(),
            Some("2026-01-01T00:00:00Z")
        );
        for url in
            ["https://x.fbcdn.net/a.jpg", "https://x.fbcdn.net/?oe=soon", "https://x.fbcdn.net/?oe=-1", "?ext=0", ""]
        {
            assert_eq!(until(url), None, "{url}");
        }
    }
}
