//! Reading JSON without copying it: every value knows the exact bytes it was written with.
//!
//! `serde_json` says whether a body is JSON at all. One more pass notes where each value begins and ends, so that a
//! payload can be cut out of Meta's bytes instead of being written anew: unknown keys, escapes and numbers beyond
//! 2^53 survive. The notes are one flat list, whatever the nesting.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// Deepest nesting that is looked into. Meta's own is below 20.
const DEPTH_MAX: usize = 64;

/// A JSON text and where its values stand.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

/// Where a value stands, and which node follows it and all that is in it.
#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    after: u32,
}

/// A value in a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'d> {
    document: &'d Document<'d>,
    index: usize,
}

impl<'a> Document<'a> {
    /// `None` for what is not UTF-8, not JSON, or nested too deep.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        u32::try_from(text.len()).ok()?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let nodes = note(text.as_bytes())?;
        (!nodes.is_empty()).then_some(Self { text, nodes })
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }
}

/// Notes every value of a text that is known to be JSON. In an object, keys and values take turns.
fn note(bytes: &[u8]) -> Option<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::with_capacity(bytes.len() / 16);
    let mut open = Vec::with_capacity(DEPTH_MAX);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b'{' | b'[' => {
                if open.len() == DEPTH_MAX {
                    return None;
                }
                open.push(nodes.len());
                at + 1
            }
            b'}' | b']' => {
                let (index, after) = (open.pop()?, u32::try_from(nodes.len()).ok()?);
                let node = nodes.get_mut(index)?;
                at += 1;
                (node.end, node.after) = (u32::try_from(at).ok()?, after);
                continue;
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'"' => end_of_string(bytes, at + 1),
            _ => bytes[at..]
                .iter()
                .position(|byte| b",:]} \t\n\r".contains(byte))
                .map_or(bytes.len(), |length| at + length),
        };
        let after = u32::try_from(nodes.len() + 1).ok()?;
        nodes.push(Node { start: u32::try_from(at).ok()?, end: u32::try_from(end).ok()?, after });
        at = end;
    }
    Some(nodes)
}

/// Just behind the closing quotation mark.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

impl<'d> Value<'d> {
    fn node(self) -> Node {
        self.document.nodes[self.index]
    }

    /// As Meta wrote it.
    pub(crate) fn raw(self) -> &'d str {
        let Node { start, end, .. } = self.node();
        &self.document.text[start as usize..end as usize]
    }

    fn starts_with(self, byte: u8) -> bool {
        self.raw().as_bytes().first() == Some(&byte)
    }

    pub(crate) fn is_object(self) -> bool {
        self.starts_with(b'{')
    }

    pub(crate) fn is_array(self) -> bool {
        self.starts_with(b'[')
    }

    pub(crate) fn is_true(self) -> bool {
        self.raw() == "true"
    }

    /// Whether it is `null`, `{}`, `[]` or `""`.
    pub(crate) fn is_empty(self) -> bool {
        let raw = self.raw();
        raw == "null" || raw == "\"\"" || (self.is_object() || self.is_array()) && self.children().next().is_none()
    }

    fn children(self) -> impl Iterator<Item = Value<'d>> {
        let Node { after: end, .. } = self.node();
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            let child = (next < end as usize).then_some(Value { index: next, ..self })?;
            next = child.node().after as usize;
            Some(child)
        })
    }

    /// What an array holds; nothing for anything else.
    pub(crate) fn items(self) -> impl Iterator<Item = Value<'d>> {
        self.children().take_while(move |_| self.is_array())
    }

    /// What an object holds, duplicates too, with keys as written; nothing for anything else.
    pub(crate) fn members(self) -> impl Iterator<Item = (Value<'d>, Value<'d>)> {
        let mut children = self.children().take_while(move |_| self.is_object());
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// The member of that name; of several, the last, as most parsers have it.
    pub(crate) fn get(self, key: &str) -> Option<Value<'d>> {
        let is_it = |written: &Value<'_>| match written.raw().as_bytes() {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => inner == key.as_bytes(),
            _ => written.text().as_deref() == Some(key),
        };
        self.members().filter(|(written, _)| is_it(written)).last().map(|(_, value)| value)
    }

    /// The member at a path such as `sender.id`.
    pub(crate) fn path(self, path: &str) -> Option<Value<'d>> {
        path.split('.').try_fold(self, Value::get)
    }

    /// A string's text. `None` for anything else, and for text that is no Unicode (half a surrogate pair).
    pub(crate) fn text(self) -> Option<Cow<'d, str>> {
        let inner = self.raw().strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(self.raw()).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// An identifier: text, or a number as written. Meta sends the same id as either. `None` where there is nothing.
    pub(crate) fn scalar(self) -> Option<Cow<'d, str>> {
        let scalar = match self.raw().as_bytes().first()? {
            b'"' => self.text().unwrap_or(Cow::Borrowed(self.raw())),
            b'-' | b'0'..=b'9' | b't' | b'f' => Cow::Borrowed(self.raw()),
            _ => return None,
        };
        (!scalar.is_empty()).then_some(scalar)
    }

    /// The scalar at a path.
    pub(crate) fn scalar_at(self, path: &str) -> Option<Cow<'d, str>> {
        self.path(path)?.scalar()
    }

    /// Its canonical form: no white space, keys sorted, everything else as written. Equal for two copies of one thing.
    pub(crate) fn write_canonical(self, out: &mut String) {
        if self.is_array() {
            join(out, ('[', ']'), self.items(), |out, item| item.write_canonical(out));
        } else if self.is_object() {
            let mut members: Vec<_> = self.members().collect();
            members.sort_by_key(|(key, _)| key.raw());
            join(out, ('{', '}'), members, |out, (key, value)| {
                out.push_str(key.raw());
                out.push(':');
                value.write_canonical(out);
            });
        } else {
            out.push_str(self.raw());
        }
    }
}

/// Writes items between brackets, with commas.
pub(crate) fn join<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_read_with_the_bytes_it_was_written_with() {
        let text = r#" { "a" : [ 1.0e+2 , {"\u0062":"\u00e4\/"} , [] ] , "n":12345678901234567890123 } "#;
        let document = Document::parse(text.as_bytes()).unwrap();
        let root = document.root();

        let items: Vec<&str> = root.get("a").unwrap().items().map(Value::raw).collect();

        assert_eq!(items, ["1.0e+2", r#"{"\u0062":"\u00e4\/"}"#, "[]"]);
        assert_eq!(root.get("n").unwrap().raw(), "12345678901234567890123");
        assert_eq!(root.get("a").unwrap().items().nth(1).unwrap().get("b").unwrap().text().unwrap(), "ä/");
    }

    #[test]
    fn what_is_nested_too_deep_is_no_document() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));

        assert!(Document::parse(nested(DEPTH_MAX).as_bytes()).is_some());
        assert!(Document::parse(nested(DEPTH_MAX + 1).as_bytes()).is_none());
        assert!(Document::parse(nested(1_000_000).as_bytes()).is_none());
    }

    #[test]
    fn the_canonical_form_knows_neither_white_space_nor_key_order() {
        let canonical = |text: &str| {
            let mut out = String::new();
            Document::parse(text.as_bytes()).unwrap().root().write_canonical(&mut out);
            out
        };

        assert_eq!(
            canonical(r#"{ "b": [1, 2.50], "a": {"y": null, "x": "\/"} }"#),
            r#"{"a":{"x":"\/","y":null},"b":[1,2.50]}"#
        );
    }

    proptest! {
        #[test]
        fn whatever_serde_json_accepts_is_read_to_its_last_byte(text in "[\\[\\]{}\",:0-9a-f\\\\ tru]{0,40}") {
            if let Some(document) = Document::parse(text.as_bytes()) {
                prop_assert_eq!(document.root().raw(), text.trim());
            }
        }
    }
}
