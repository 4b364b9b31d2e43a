//! The members of an item that name a person, by the person's role, in every spelling that Meta uses.

/// A person's role in an item.
#[derive(Debug)]
pub(crate) struct Role {
    /// How the person's ids are spelled.
    pub(crate) spellings: &'static [Spelling],
    /// Other members that name the same person, by an id or as an object that has ids.
    pub(crate) also: &'static [&'static str],
}

/// The three ids by which WhatsApp knows a person.
#[derive(Debug)]
pub(crate) struct Spelling {
    pub(crate) user_id: &'static str,
    pub(crate) parent_user_id: &'static str,
    pub(crate) phone: &'static str,
}

/// Every role. What stands deeper in an item, such as a shared business card or the author of a quoted message, is what
/// somebody says about a person.
pub(crate) const ROLES: &[Role] = &[
    role(&[spelling("from_user_id", "from_parent_user_id", "from")], &["system"]),
    role(&[spelling("to_user_id", "to_parent_user_id", "to")], &[]),
    role(&[spelling("recipient_user_id", "recipient_parent_user_id", "recipient_id")], &["recipient"]),
    role(
        &[
            spelling(
                "recipient_participant_user_id",
                "recipient_participant_parent_user_id",
                "recipient_participant_id",
            ),
            spelling(
                "participant_recipient_user_id",
                "participant_recipient_parent_user_id",
                "participant_recipient_id",
            ),
        ],
        &[],
    ),
    role(
        &[spelling("user_id", "parent_user_id", "wa_id"), spelling("user_id", "parent_user_id", "phone_number")],
        &["user"],
    ),
    role(&[], &["contact"]),
    role(&[], &["sender", "sender_id", "optin"]),
    role(&[], &["reviewer_id"]),
];

const fn role(spellings: &'static [Spelling], also: &'static [&'static str]) -> Role {
    Role { spellings, also }
}

const fn spelling(user_id: &'static str, parent_user_id: &'static str, phone: &'static str) -> Spelling {
    Spelling { user_id, parent_user_id, phone }
}

/// Every spelling of every role.
pub(crate) fn spellings() -> impl Iterator<Item = &'static Spelling> {
    ROLES.iter().flat_map(|role| role.spellings)
}

impl Role {
    /// The members that name the person.
    pub(crate) fn members(&self) -> impl Iterator<Item = &'static str> {
        self.spellings.iter().flat_map(Spelling::members).chain(self.also.iter().copied())
    }
}

impl Spelling {
    pub(crate) fn members(&self) -> [&'static str; 3] {
        [self.user_id, self.parent_user_id, self.phone]
    }
}
