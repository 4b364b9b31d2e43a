//! Reads JSON without copying it. Every value knows the bytes that it was written with, so a payload is cut out of
//! Meta's bytes instead of being written again: unknown keys, escapes and numbers beyond 2^53 survive.

use std::borrow::Cow;

use crate::kinds::Path;
use crate::scan::{Form, Node, Scanned, scan};
use crate::spelling::spell;

/// A JSON text, and where each of its values stands.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    /// The text of each key and each `field` that is written with escapes, and where it stands, in order. There are hardly
    /// ever any.
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    index: usize,
    text: String,
}

/// A value in a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'d> {
    document: &'d Document<'d>,
    index: usize,
}

/// A member of an object, with its key as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'d> {
    pub(crate) key: Value<'d>,
    pub(crate) value: Value<'d>,
}

/// The values in an object or an array, in order.
#[derive(Clone)]
struct Children<'d> {
    document: &'d Document<'d>,
    next: usize,
    end: usize,
}

impl<'a> Document<'a> {
    /// `None` for a body that is not UTF-8, not JSON, or nested too deep.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let Scanned { nodes, escaped } = scan(text)?;
        let mut document = Self { text, nodes, names: Vec::new() };
        for found in escaped {
            let index = found.node as usize;
            let is_field = || index.checked_sub(1).is_some_and(|key| document.is_named(&document.nodes[key], "field"));
            if found.is_key || is_field() {
                let raw = document.raw(document.nodes[index]);
                let text = serde_json::from_str(raw).unwrap_or_else(|_| spell(raw));
                document.names.push(Name { index, text });
            }
        }
        Some(document)
    }

    /// The text of a key or a field with escapes.
    #[cold]
    fn name(&self, index: usize) -> Option<&str> {
        let found = self.names.binary_search_by_key(&index, |name| name.index).ok()?;
        Some(&self.names[found].text)
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }

    fn raw(&self, node: Node) -> &str {
        &self.text[node.start as usize..node.end as usize]
    }

    /// Whether a key is `name`.
    #[inline]
    fn is_named(&self, key: &Node, name: &str) -> bool {
        if key.form != Form::Text {
            return self.is_named_with_escapes(key, name);
        }
        let written = &self.text.as_bytes()[key.start as usize + 1..key.end as usize - 1];
        // The first byte distinguishes most names of one length without a call.
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

impl<'d> Member<'d> {
    /// The key's text.
    pub(crate) fn name(self) -> &'d str {
        self.key.plain()
    }
}

impl<'d> Value<'d> {
    fn node(self) -> Node {
        self.document.nodes[self.index]
    }

    pub(crate) fn form(self) -> Form {
        self.node().form
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

    /// The values in it, or nothing if it has another form.
    fn children(self, form: Form) -> Children<'d> {
        let node = self.node();
        let end = if node.form == form { node.after as usize } else { 0 };
        Children { document: self.document, next: self.index + 1, end }
    }

    /// The items of an array; nothing for any other value.
    pub(crate) fn items(self) -> impl Iterator<Item = Value<'d>> + Clone {
        self.children(Form::Array)
    }

    /// The members of an object, including those whose key comes twice; nothing for any other value.
    pub(crate) fn members(self) -> impl Iterator<Item = Member<'d>> {
        let mut children = self.children(Form::Object);
        std::iter::from_fn(move || Some(Member { key: children.next()?, value: children.next()? }))
    }

    /// The value of every member of that name.
    pub(crate) fn every(self, name: &str) -> impl Iterator<Item = Value<'d>> {
        let members = self.members().filter(move |member| self.document.is_named(&member.key.node(), name));
        members.map(|member| member.value)
    }

    /// The member of that name. If there are several, the last one, as in most parsers.
    pub(crate) fn get(self, name: &str) -> Option<Value<'d>> {
        let nodes = self.document.nodes.as_slice();
        let node = nodes[self.index];
        let end = if node.form == Form::Object { node.after as usize } else { 0 };
        let mut key = self.index + 1;
        let mut found = None;
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

    /// A string's text. `None` for any other value, and for text that is not Unicode (half a surrogate pair).
    pub(crate) fn text(self) -> Option<Cow<'d, str>> {
        let raw = self.raw();
        match self.node().form {
            Form::Text => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
            Form::Escaped => serde_json::from_str(raw).ok().map(Cow::Owned),
            Form::Object | Form::Array | Form::Number | Form::Word => None,
        }
    }

    /// The text of a key or a field; anything else as written.
    pub(crate) fn plain(self) -> &'d str {
        let raw = self.raw();
        match self.form() {
            Form::Text => &raw[1..raw.len() - 1],
            Form::Escaped => self.document.name(self.index).unwrap_or(raw),
            Form::Object | Form::Array | Form::Number | Form::Word => raw,
        }
    }

    /// As Meta wrote it, but text in its canonical spelling.
    pub(crate) fn spelled(self) -> Cow<'d, str> {
        if self.form() == Form::Escaped { Cow::Owned(spell(self.raw())) } else { Cow::Borrowed(self.raw()) }
    }

    /// The first of these members that is a number or text that is not empty, or an object.
    pub(crate) fn first_of(self, names: &[&str]) -> Option<Value<'d>> {
        names.iter().filter_map(|name| self.get(name)).find(|value| value.is_scalar() || value.is_object())
    }

    /// Whether it is a number, or text that is not empty.
    pub(crate) fn is_scalar(self) -> bool {
        match self.form() {
            Form::Text | Form::Escaped => self.raw() != "\"\"",
            Form::Number => true,
            Form::Object | Form::Array | Form::Word => false,
        }
    }

    /// An identifier: text, or a number as written, because Meta sends the same id as either. `None` if it is empty or
    /// neither.
    pub(crate) fn scalar(self) -> Option<Cow<'d, str>> {
        let scalar = match self.node().form {
            Form::Text | Form::Escaped => self.text().unwrap_or_else(|| self.spelled()),
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

    /// Whether the member `name` is this text.
    pub(crate) fn has_text(self, name: &str, text: &str) -> bool {
        self.get(name).and_then(Value::text).as_deref() == Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_the_bytes_that_it_was_written_with() {
        let text = r#" { "a" : [ 1.0e+2 , {"\u0062":"\u00e4\/"} , [] ] , "n":12345678901234567890123 } "#;
        let document = Document::parse(text.as_bytes()).unwrap();
        let root = document.root();

        let items: Vec<&str> = root.get("a").unwrap().items().map(Value::raw).collect();

        assert_eq!(items, ["1.0e+2", r#"{"\u0062":"\u00e4\/"}"#, "[]"]);
        assert_eq!(root.get("n").unwrap().raw(), "12345678901234567890123");
        assert_eq!(root.get("a").unwrap().items().nth(1).unwrap().get("b").unwrap().text().unwrap(), "ä/");
    }
}
