//! Goes over a JSON text once and notes where each value begins and ends, or finds that it is not JSON.
//!
//! It accepts what `serde_json` accepts (RFC 8259), up to a depth; a property test compares the two. It exists because
//! no common parser says where a value stood, and a second pass took a third of ingest's time.

/// Deepest nesting that is read. Meta's own is less than 20 levels.
pub(crate) const DEPTH_MAX: usize = 64;

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    Array,
    /// A string without escapes: its text is what stands between the quotation marks.
    Text,
    /// A string with escapes in it.
    Escaped,
    Number,
    /// `true`, `false` or `null`.
    Word,
}

/// Where a value stands in the text, and which node is the first after all that is inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) after: u32,
    pub(crate) form: Form,
}

/// What is noted of a text.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// Every value, in order; in an object, keys and values alternate.
    pub(crate) nodes: Vec<Node>,
    /// The strings that have escapes, in order.
    pub(crate) escaped: Vec<EscapedText>,
}

/// A string with escapes in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EscapedText {
    pub(crate) node: u32,
    pub(crate) is_key: bool,
}

/// Every value of a text. `None` for a text that is not JSON, is
/// nested too deep, or is larger than 4 GiB.
pub(crate) fn scan(text: &str) -> Option<Scanned> {
    u32::try_from(text.len()).ok()?;
    let nodes = Vec::with_capacity(text.len() / 12 + 1);
    Scanner { bytes: text.as_bytes(), at: 0, nodes, escaped: Vec::new(), open: Vec::with_capacity(16) }.run()
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    nodes: Vec<Node>,
    escaped: Vec<EscapedText>,
    /// The objects and arrays around the current position, outermost first.
    open: Vec<Container>,
}

struct Container {
    node: usize,
    is_object: bool,
}

impl Scanner<'_> {
    fn run(mut self) -> Option<Scanned> {
        loop {
            match self.next_byte()? {
                b'{' if !self.opens_empty(Form::Object)? => {
                    self.key()?;
                    continue;
                }
                b'[' if !self.opens_empty(Form::Array)? => continue,
                b'{' | b'[' => {}
                b'"' => self.string(false)?,
                b'-' => self.number(self.at - 1, self.at)?,
                b'0'..=b'9' => self.number(self.at - 1, self.at - 1)?,
                b't' => self.word("rue")?,
                b'f' => self.word("alse")?,
                b'n' => self.word("ull")?,
                _ => return None,
            }
            if self.ends()? {
                return Some(Scanned { nodes: self.nodes, escaped: self.escaped });
            }
        }
    }

    /// Reads what follows a value, and says whether that value was the last of the text.
    fn ends(&mut self) -> Option<bool> {
        while let Some(&Container { node, is_object }) = self.open.last() {
            match (self.next_byte()?, is_object) {
                (b',', true) => return self.key().map(|()| false),
                (b',', false) => return Some(false),
                (b'}', true) | (b']', false) => self.close(node),
                _ => return None,
            }
        }
        self.next_byte().is_none().then_some(true)
    }

    /// The next byte that is not white space.
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
        }
    }

    /// Called behind an opening bracket; says whether the closing one follows at once.
    fn opens_empty(&mut self, form: Form) -> Option<bool> {
        if self.open.len() == DEPTH_MAX {
            return None;
        }
        let node = self.nodes.len();
        self.open.push(Container { node, is_object: form == Form::Object });
        self.note(self.at - 1, form);
        let before = self.at;
        let closing = if form == Form::Object { b'}' } else { b']' };
        if self.next_byte()? == closing {
            self.close(node);
            return Some(true);
        }
        self.at = before;
        Some(false)
    }

    fn close(&mut self, node: usize) {
        let after = small(self.nodes.len());
        let node = &mut self.nodes[node];
        node.end = small(self.at);
        node.after = after;
        self.open.pop();
    }

    /// Reads a member's key and the colon behind it.
    fn key(&mut self) -> Option<()> {
        (self.next_byte()? == b'"').then_some(())?;
        self.string(true)?;
        (self.next_byte()? == b':').then_some(())
    }

    /// Reads a string whose opening quotation mark has been read.
    fn string(&mut self, is_key: bool) -> Option<()> {
        let start = self.at - 1;
        let mut form = Form::Text;
        loop {
            self.at += plain_bytes(&self.bytes[self.at..]);
            match *self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => form = Form::Escaped,
                _ => return None,
            }
            let is_hex = |at| self.bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
            self.at += match *self.bytes.get(self.at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                b'u' if (self.at + 2..self.at + 6).all(is_hex) => 6,
                _ => return None,
            };
        }
        self.at += 1;
        if form == Form::Escaped {
            self.escaped.push(EscapedText { node: small(self.nodes.len()), is_key });
        }
        self.note(start, form);
        Some(())
    }

    fn number(&mut self, start: usize, digits: usize) -> Option<()> {
        self.at = digits;
        let whole = self.digits()?;
        if whole > 1 && self.bytes[digits] == b'0' {
            return None;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        self.note(start, Form::Number);
        Some(())
    }

    /// Reads one or more digits, and says how many.
    fn digits(&mut self) -> Option<usize> {
        let before = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > before).then_some(self.at - before)
    }

    /// Reads `true`, `false` or `null`, whose first letter has been read.
    fn word(&mut self, rest: &str) -> Option<()> {
        let start = self.at - 1;
        self.bytes[self.at..].starts_with(rest.as_bytes()).then_some(())?;
        self.at += rest.len();
        self.note(start, Form::Word);
        Some(())
    }

    fn note(&mut self, start: usize, form: Form) {
        let after = small(self.nodes.len() + 1);
        self.nodes.push(Node { start: small(start), end: small(self.at), after, form });
    }
}

/// A position in a text, which is known to be smaller than 4 GiB.
#[expect(clippy::cast_possible_truncation, reason = "`scan` looks at the length first")]
fn small(position: usize) -> u32 {
    position as u32
}

/// How many bytes come before the first that ends a string, begins an escape, or is not allowed in a string. It compares
/// eight at a time, because most of a notification is text.
pub(crate) fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = word ^ (ONES * u64::from(b'"'));
        let escape = word ^ (ONES * u64::from(b'\\'));
        let found = (control | quote.wrapping_sub(ONES) & !quote | escape.wrapping_sub(ONES) & !escape) & HIGH;
        if found != 0 {
            // The lowest mark is right: a borrow can only set wrong marks above it.
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let is_plain = |byte: &u8| *byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    bytes[at..].iter().position(|byte| !is_plain(byte)).map_or(bytes.len(), |length| at + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn is_json(text: &str) -> bool {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn a_text_that_is_nested_too_deep_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));

        assert!(scan(&nested(DEPTH_MAX)).is_some());
        assert!(scan(&nested(DEPTH_MAX + 1)).is_none());
        assert!(scan(&"[".repeat(1_000_000)).is_none());
    }

    #[test]
    fn the_grammar_is_that_of_serde_json() {
        let texts = "|{}|[]| [ ] |{\"a\":1}|{\"a\":1,}|{\"a\"}|{1:2}|[1,]|[,1]|[1 2]|1|-1|-|01|0|-0|1.|1.5|.5|1e|1e5|1E+5|1e-|1.5e             |true|truer|tru|null|nul|false|falsey|\"|\"a|\"\\|\"\\u12\"|\"\\u12g4\"|\"\\ud800\"|\"\\x\"|\"\t\"|\"\u{7f}\"|{\"a\":[}]|}|]|{}{}|1 2|\u{feff}{}             |1{2|\"\"{0|[]]|123456789012345678901234567890|1e999|\"\\\"\"|[[[]]]|[{\"a\":{}}]|nullnull|+1|\u{b}1";
        for text in texts.split('|') {
            assert_eq!(scan(text).is_some(), is_json(text), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_serde_json_accepts_is_read_to_its_last_byte(text in "[\\[\\]{}\",:0-2.eE+\\-\\\\ tru\t\u{1f}\u{e4}]{0,24}") {
            let scanned = scan(&text);
            prop_assert_eq!(scanned.is_some(), is_json(&text));
            if let Some(Scanned { nodes, .. }) = scanned {
                prop_assert_eq!(&text[nodes[0].start as usize..nodes[0].end as usize], text.trim_matches([' ', '\t']));
            }
        }

        #[test]
        fn a_string_ends_where_serde_json_says(text in "[ -~\u{0}-\u{1f}\u{80}-\u{ff}]{0,40}") {
            let quoted = format!("\"{text}\"");
            prop_assert_eq!(scan(&quoted).is_some(), is_json(&quoted));
        }
    }
}
