//! Somebody who has connected channels, as Meta names them in the lists of those who want their data deleted.

use channels::{AppKind, SigningApp};

/// Longest id at Meta, in digits.
const DIGITS_MAX: usize = 32;

/// A person, by the id that one of our apps at Meta has for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedUser {
    app_id: String,
    pub(crate) user_id: String,
}

impl ListedUser {
    /// The app for which Meta has made the list.
    pub(crate) fn app(&self, kind: AppKind) -> SigningApp {
        SigningApp { id: self.app_id.clone(), kind }
    }
}

/// Parses the id of an app, a slash, and the id of a person.
pub(crate) fn parse_listed_user(text: &str) -> Result<ListedUser, String> {
    let is_id = |id: &str| (1..=DIGITS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('/') {
        // Meta names nobody by this id.
        Some((_, "0")) => Err("no person has the id 0".to_owned()),
        Some((app_id, user_id)) if is_id(app_id) && is_id(user_id) => {
            Ok(ListedUser { app_id: app_id.to_owned(), user_id: user_id.to_owned() })
        }
        _ => Err("write the id of the app for which Meta has made the list, a slash, and an id of the list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_of_a_list_is_named_by_two_numbers() {
        let user = parse_listed_user("100/122100000000001").unwrap();
        assert_eq!((user.app(AppKind::Meta).id.as_str(), user.user_id.as_str()), ("100", "122100000000001"));

        for wrong in ["", "/", "100", "100/", "/7", "100/7/8", "100/ada", "100/0", " 100/7"] {
            assert!(parse_listed_user(wrong).is_err(), "{wrong:?}");
        }
    }
}
