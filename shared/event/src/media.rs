//! The files of a WhatsApp message that DSK can fetch.

use std::borrow::Cow;

use crate::json::{Document, Value};

/// A file: each member is JSON as Meta wrote it, text or number.
#[derive(Clone, Debug)]
pub(crate) struct File<'d> {
    pub(crate) id: Cow<'d, str>,
    pub(crate) mime_type: Option<Cow<'d, str>>,
    pub(crate) sha256: Option<Cow<'d, str>>,
}

/// The files of an item, of the message that an edit made of it, and of a flow that a person finished.
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

fn message_file(message: Value<'_>) -> Option<File<'_>> {
    let kind = message.get("type")?.text()?;
    let is_file = matches!(&*kind, "image" | "video" | "audio" | "document" | "sticker");
    is_file.then(|| message.get(&kind)).flatten().and_then(|file| read(file, Cow::Borrowed))
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
    let member = |name: &str| file.get(name).filter(|value| value.scalar().is_some()).map(|value| keep(value.raw()));
    Some(File { id: member("id")?, mime_type: member("mime_type"), sha256: member("sha256") })
}
