//! One spelling for a text that JSON lets be spelled in many ways: `\/`, `\u00e4` and the like.

use std::fmt::Write as _;

/// A string's canonical spelling: the characters themselves wherever JSON allows it. `raw` is a valid JSON string with its
/// quotation marks.
pub(crate) fn spell(raw: &str) -> String {
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        return serde_json::Value::from(text).to_string();
    }
    // Half of a surrogate pair is no character, so these escapes stay, in lower case, and only what is around them is read.
    let inner = &raw[1..raw.len() - 1];
    let mut out = String::from("\"");
    let mut start = 0;
    let mut at = 0;
    while let Some(found) = inner[at..].find('\\') {
        at += found;
        at += match (unit(inner, at), unit(inner, at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(half @ 0xd800..=0xdfff), _) => {
                out += &characters(&inner[start..at]);
                write!(out, "\\u{half:04x}").expect("writing to a string cannot fail");
                start = at + ESCAPE;
                ESCAPE
            }
            (Some(_), _) => ESCAPE,
            (None, _) => 2,
        };
    }
    out += &characters(&inner[start..]);
    out.push('"');
    out
}

/// The length of `\u00e4`.
const ESCAPE: usize = 6;

/// The number in the escape that begins at `at`.
fn unit(text: &str, at: usize) -> Option<u16> {
    u16::from_str_radix(text.get(at..at + ESCAPE)?.strip_prefix("\\u")?, 16).ok()
}

/// The canonical spelling of a part without half pairs, without quotation marks.
fn characters(part: &str) -> String {
    let text: String = serde_json::from_str(&format!("\"{part}\"")).unwrap_or_default();
    let spelled = serde_json::Value::from(text).to_string();
    spelled[1..spelled.len() - 1].to_owned()
}
