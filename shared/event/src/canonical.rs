//! The canonical form of a JSON value: the same for two copies of one thing, however they are spelled.

use crate::json::Value;
use crate::scan::Form;

/// Appends the canonical form: no white space, keys sorted, characters in their shortest spelling, numbers as written.
pub(crate) fn write_canonical(value: Value<'_>, out: &mut Vec<u8>) {
    match value.form() {
        Form::Array => {
            out.push(b'[');
            for (position, item) in value.items().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        Form::Object => {
            let mut members: Vec<_> = value.members().map(|member| (member.key.spelled(), member.value)).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            out.push(b'{');
            for (position, (key, value)) in members.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key.as_bytes());
                out.push(b':');
                write_canonical(value, out);
            }
            out.push(b'}');
        }
        Form::Text | Form::Escaped | Form::Number | Form::Word => out.extend_from_slice(value.spelled().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    fn canonical(text: &str) -> String {
        let mut out = Vec::new();
        write_canonical(Document::parse(text.as_bytes()).unwrap().root(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_canonical_form_depends_on_neither_white_space_nor_key_order() {
        assert_eq!(
            canonical(r#"{ "b": [1, 2.50], "a": {"y": null, "x": "ä"} }"#),
            r#"{"a":{"x":"ä","y":null},"b":[1,2.50]}"#
        );
    }

    #[test]
    fn the_canonical_form_does_not_depend_on_the_spelling_of_characters() {
        for (one, other) in [
            (r#""a\/b\u00e4\ud83e\udd70\u000a""#, r#""a/bä🥰\n""#),
            (r#"{"\u0062":1,"a":2}"#, r#"{"a":2,"b":1}"#),
            // Half a pair is not a character, but Meta signs it.
            (r#""\uD83E\/\u00E4""#, r#""\ud83e/ä""#),
            (r#""\\ud83e\uDD70x""#, r#""\u005cud83e\udd70x""#),
        ] {
            assert_eq!(canonical(one), canonical(other), "{one}");
        }
        assert_ne!(canonical(r#""\ud83e""#), canonical(r#""\\ud83e""#));
    }
}
