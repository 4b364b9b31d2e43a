//! Reads the text format in which a process shows its metrics. Pure.

/// One line: a series and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample<'t> {
    pub(super) name: &'t str,
    /// What stands between the braces.
    labels: &'t str,
    pub(super) value: f64,
}

/// Every series of a page. Lines that are no series, or no number, are left out.
pub(super) fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    page.lines().filter(|line| !line.starts_with('#')).filter_map(Sample::parse)
}

impl<'t> Sample<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let (name, labels, rest) = match line.split_once('{') {
            Some((name, rest)) => {
                let end = end_of_labels(rest)?;
                (name, &rest[..end], &rest[end + 1..])
            }
            None => {
                let (name, rest) = line.split_once(' ')?;
                (name, "", rest)
            }
        };
        // A time may follow the value.
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Self { name, labels, value })
    }

    /// The value of a label, as it is written: those of our labels contain nothing that would be escaped.
    pub(super) fn label(&self, name: &str) -> Option<&'t str> {
        let mut rest = self.labels;
        loop {
            let (label, behind) = rest.split_once("=\"")?;
            let end = end_of_value(behind)?;
            if label.trim_start_matches([',', ' ']) == name {
                return Some(&behind[..end]);
            }
            rest = &behind[end + 1..];
        }
    }
}

/// Where the closing brace is, which may also stand within a value.
fn end_of_labels(text: &str) -> Option<usize> {
    let mut is_in_value = false;
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'\\' if !was_escaped => is_escaped = true,
            b'"' if !was_escaped => is_in_value = !is_in_value,
            b'}' if !is_in_value => return true,
            _ => {}
        }
        false
    })
}

/// Where the closing quotation mark is.
fn end_of_value(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        is_escaped = byte == b'\\' && !was_escaped;
        byte == b'"' && !was_escaped
    })
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounterVec, Opts, Registry, TextEncoder};

    use super::*;

    #[test]
    fn a_page_is_read_as_the_encoder_of_the_processes_writes_it() {
        let registry = Registry::new();
        let counter = IntCounterVec::new(Opts::new("odd_total", "Odd values."), &["a", "b"]).unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.with_label_values(&["plain", "with } and , and \\ and \" in it"]).inc_by(7);

        let page = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let read: Vec<Sample<'_>> = samples(&page).collect();

        let [sample] = read[..] else { panic!("{read:?}") };
        assert_eq!((sample.name, sample.value), ("odd_total", 7.0));
        assert_eq!(sample.label("a"), Some("plain"));
        assert!(sample.label("b").is_some_and(|value| value.starts_with("with } and , and ")));
        assert_eq!(sample.label("c"), None);
    }

    #[test]
    fn what_is_no_series_is_left_out() {
        let page =
            "# HELP a_total A.\n# TYPE a_total counter\na_total 3\nb{le=\"+Inf\"} 4 1700000000000\nc{ 5\nd x\n\n<html>";

        let read: Vec<(&str, f64)> = samples(page).map(|sample| (sample.name, sample.value)).collect();

        assert_eq!(read, [("a_total", 3.0), ("b", 4.0)]);
    }
}
