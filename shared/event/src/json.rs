//! Reading JSON without copying it: every value knows the exact bytes it was written with, so that a payload can be cut
//! out of Meta's bytes instead of being written anew: unknown keys, escapes and numbers beyond 2^53 survive.

use std::borrow::Cow;

use crate::kinds::Path;
use crate::scan::{Form, Node, scan};

/// A JSON text and where its values stand.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

/// A value in a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'d> {
    document: &'d Document<'d>,
    index: usize,
}

/// What is inside an object or an array, one after the other.
#[derive(Clone)]
struct Children<'d> {
    document: &'d Document<'d>,
    next: usize,
    end: usize,
}

impl<'a> Document<'a> {
    /// `None` for what is not UTF-8, not JSON, or nested too deep.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        Some(Self { text, nodes: scan(text)? })
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }

    fn raw(&self, node: Node) -> &str {
        &self.text[node.start as usize..node.end as usize]
    }

    /// Whether a key is that name.
    #[inline]
    fn is_named(&self, key: &Node, name: &str) -> bool {
        if key.form != Form::Text {
            return self.is_named_with_escapes(key, name);
        }
        let written = &self.text.as_bytes()[key.start as usize + 1..key.end as usize - 1];
        // The first byte tells most names of one length apart, without a call.
        written.len() == name.len() && written.first() == name.as_bytes().first() && written == name.as_bytes()
    }

    #[cold]
    fn is_named_with_escapes(&self, key: &Node, name: &str) -> bool {
        serde_json::from_str::<String>(self.raw(*key)).is_ok_and(|key| key == name)
    }
}

impl<'d> Iterator for Children<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        let child = (self.next < self.end).then_some(Value { document: self.document, index: self.next })?;
        self.next = child.node().after as usize;
        Some(child)
    }
}

impl<'d> Value<'d> {
    fn node(self) -> Node {
        self.document.nodes[self.index]
    }

    /// As Meta wrote it.
    pub(crate) fn raw(self) -> &'d str {
        self.document.raw(self.node())
    }

    pub(crate) fn is_object(self) -> bool {
        self.node().form == Form::Object
    }

    pub(crate) fn is_array(self) -> bool {
        self.node().form == Form::Array
    }

    pub(crate) fn is_true(self) -> bool {
        self.raw() == "true"
    }

    /// Whether it is `null`, `{}`, `[]` or `""`.
    pub(crate) fn is_empty(self) -> bool {
        match self.node().form {
            Form::Object | Form::Array => self.node().after as usize == self.index + 1,
            Form::Text | Form::Escaped => self.raw() == "\"\"",
            Form::Number => false,
            Form::Word => self.raw() == "null",
        }
    }

    /// What stands in it, if it is of that form.
    fn children(self, form: Form) -> Children<'d> {
        let node = self.node();
        let end = if node.form == form { node.after as usize } else { 0 };
        Children { document: self.document, next: self.index + 1, end }
    }

    /// What an array holds; nothing for anything else.
    pub(crate) fn items(self) -> impl Iterator<Item = Value<'d>> + Clone {
        self.children(Form::Array)
    }

    /// What an object holds, duplicates too, with keys as written; nothing for anything else.
    pub(crate) fn members(self) -> impl Iterator<Item = (Value<'d>, Value<'d>)> {
        let mut children = self.children(Form::Object);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// Every member of that name.
    pub(crate) fn every(self, name: &str) -> impl Iterator<Item = Value<'d>> {
        self.members().filter(move |(key, _)| self.document.is_named(&key.node(), name)).map(|(_, value)| value)
    }

    /// The member of that name; of several, the last, as most parsers have it.
    pub(crate) fn get(self, name: &str) -> Option<Value<'d>> {
        let nodes = self.document.nodes.as_slice();
        let node = nodes[self.index];
        let end = if node.form == Form::Object { node.after as usize } else { 0 };
        let (mut key, mut found) = (self.index + 1, None);
        while key < end {
            if self.document.is_named(&nodes[key], name) {
                found = Some(Value { index: key + 1, ..self });
            }
            key = nodes[key + 1].after as usize;
        }
        found
    }

    /// The value at a path such as `sender.id`.
    pub(crate) fn at(self, path: &[&str]) -> Option<Value<'d>> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// A string's text. `None` for anything else, and for text that is no Unicode (half a surrogate pair).
    pub(crate) fn text(self) -> Option<Cow<'d, str>> {
        let raw = self.raw();
        match self.node().form {
            Form::Text => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
            Form::Escaped => serde_json::from_str(raw).ok().map(Cow::Owned),
            Form::Object | Form::Array | Form::Number | Form::Word => None,
        }
    }

    /// A key or a field as text; where it has escapes, as written.
    pub(crate) fn plain(self) -> &'d str {
        let raw = self.raw();
        if self.node().form == Form::Text { &raw[1..raw.len() - 1] } else { raw }
    }

    /// An identifier: text, or a number as written. Meta sends the same id as either. `None` where there is nothing.
    pub(crate) fn scalar(self) -> Option<Cow<'d, str>> {
        let scalar = match self.node().form {
            Form::Text | Form::Escaped => self.text().unwrap_or(Cow::Borrowed(self.raw())),
            Form::Number => Cow::Borrowed(self.raw()),
            Form::Object | Form::Array | Form::Word => return None,
        };
        (!scalar.is_empty()).then_some(scalar)
    }

    /// The scalar at a path.
    pub(crate) fn scalar_at(self, path: &[&str]) -> Option<Cow<'d, str>> {
        self.at(path)?.scalar()
    }

    /// The first scalar at any of these paths.
    pub(crate) fn first(self, paths: &[Path]) -> Option<Cow<'d, str>> {
        paths.iter().find_map(|path| self.scalar_at(path))
    }

    /// Whether that member is this word.
    pub(crate) fn says(self, name: &str, word: &str) -> bool {
        self.get(name).and_then(Value::text).as_deref() == Some(word)
    }

    /// Appends its canonical form: no white space, keys sorted, everything else as written. Equal for two copies of one
    /// thing.
    pub(crate) fn write_canonical(self, out: &mut Vec<u8>) {
        match self.node().form {
            Form::Array => {
                out.push(b'[');
                for (position, item) in self.items().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    item.write_canonical(out);
                }
                out.push(b']');
            }
            Form::Object => {
                let mut members: Vec<_> = self.members().collect();
                members.sort_by_key(|(key, _)| key.raw());
                out.push(b'{');
                for (position, (key, value)) in members.into_iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(key.raw().as_bytes());
                    out.push(b':');
                    value.write_canonical(out);
                }
                out.push(b'}');
            }
            Form::Text | Form::Escaped | Form::Number | Form::Word => out.extend_from_slice(self.raw().as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn the_canonical_form_knows_neither_white_space_nor_key_order() {
        let canonical = |text: &str| {
            let mut out = Vec::new();
            Document::parse(text.as_bytes()).unwrap().root().write_canonical(&mut out);
            String::from_utf8(out).unwrap()
        };

        assert_eq!(
            canonical(r#"{ "b": [1, 2.50], "a": {"y": null, "x": "\/"} }"#),
            r#"{"a":{"x":"\/","y":null},"b":[1,2.50]}"#
        );
    }
}
