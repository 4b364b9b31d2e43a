//! Fields of forms and addresses, as names and values: some come several times, such as the ids that were ticked.

use std::fmt::Display;
use std::str::FromStr;

use crate::failure::Failure;

/// Everything that a form or an address holds.
pub(crate) type Fields = Vec<(String, String)>;

/// The value of a field that is given once, without blanks around it; `None` if it is empty.
pub(crate) fn field<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(given, _)| given == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

/// The value of a field that has to be given.
pub(crate) fn needed<'f>(fields: &'f [(String, String)], name: &str) -> Result<&'f str, Failure> {
    field(fields, name).ok_or_else(|| Failure::usage(format!("{} is missing", name.replace('_', " "))))
}

/// The value of a field as something else than text; `None` if it is empty.
pub(crate) fn parsed<T: FromStr<Err: Display>>(fields: &[(String, String)], name: &str) -> Result<Option<T>, Failure> {
    let parse = |text: &str| {
        text.parse::<T>().map_err(|error| Failure::usage(format!("{} {text}: {error}", name.replace('_', " "))))
    };
    field(fields, name).map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_was_entered_and_nothing_if_it_is_empty() {
        let fields = vec![("rate".to_owned(), " 20 ".to_owned()), ("tenant".to_owned(), "  ".to_owned())];

        assert_eq!(field(&fields, "rate"), Some("20"));
        assert_eq!(field(&fields, "tenant"), None);
        assert_eq!(parsed::<u32>(&fields, "rate").unwrap(), Some(20));
        assert!(parsed::<u8>(&[("rate".to_owned(), "many".to_owned())], "rate").is_err());
        assert!(needed(&fields, "tenant").is_err());
    }
}
