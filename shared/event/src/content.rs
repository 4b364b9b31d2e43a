//! What DSK can show of an event without knowing Meta's JSON: one form for the three platforms.
//!
//! Each value is a piece of Meta's own JSON, so nothing is copied before the body is written.

use crate::json::Value;

/// Most entries of a list that are shown.
pub(crate) const ENTRIES_MAX: usize = 100;

/// What an event says, apart from who and where. The files of the platforms fill it.
#[derive(Debug, Default)]
pub(crate) struct Content<'d> {
    pub(crate) direction: Option<Direction>,
    /// On the heap, because most events are statuses.
    pub(crate) message: Option<Box<Message<'d>>>,
    pub(crate) status: Option<Status<'d>>,
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The person.
    In,
    /// The business.
    Out,
}

/// A message, a comment, or something that happened to one.
#[derive(Debug, Default)]
pub(crate) struct Message<'d> {
    pub(crate) id: Option<Value<'d>>,
    pub(crate) kind: MessageKind,
    /// What a person would read.
    pub(crate) text: Option<Value<'d>>,
    /// The message that this one answers.
    pub(crate) reply_to: Option<Value<'d>>,
    /// The message that a reaction, an edit or a deletion is about.
    pub(crate) target: Option<Value<'d>>,
    pub(crate) emoji: Option<Value<'d>>,
    pub(crate) is_forwarded: bool,
    pub(crate) details: Details<'d>,
    pub(crate) referral: Option<Referral<'d>>,
}

/// The state of a message that the business sent, or of all up to a time.
#[derive(Debug, Default)]
pub(crate) struct Status<'d> {
    pub(crate) message_id: Option<Value<'d>>,
    pub(crate) value: StatusValue<'d>,
    /// The time up to which it holds.
    pub(crate) up_to: Option<Value<'d>>,
    /// Meta's list of errors.
    pub(crate) errors: Option<Value<'d>>,
}

/// A status's word.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StatusValue<'d> {
    /// Meta's own.
    Given(Value<'d>),
    /// The word for an event that is a status of one kind.
    Word(&'static str),
}

impl Default for StatusValue<'_> {
    fn default() -> Self {
        Self::Word("unknown")
    }
}

/// What a message has beside its text, by its kind.
#[derive(Debug, Default)]
pub(crate) enum Details<'d> {
    #[default]
    None,
    Location(Location<'d>),
    /// Business cards.
    Contacts(Vec<Card<'d>>),
    /// What the business offers to press.
    Buttons(Vec<Button<'d>>),
    /// What the person pressed or chose.
    Choice(Choice<'d>),
    Order(Order<'d>),
    /// A form that the person finished.
    Flow(Flow<'d>),
    /// A page or a post that was shared.
    Link(Link<'d>),
}

#[derive(Debug, Default)]
pub(crate) struct Location<'d> {
    pub(crate) latitude: Option<Value<'d>>,
    pub(crate) longitude: Option<Value<'d>>,
    pub(crate) name: Option<Value<'d>>,
    pub(crate) address: Option<Value<'d>>,
    pub(crate) url: Option<Value<'d>>,
}

#[derive(Debug)]
pub(crate) struct Card<'d> {
    pub(crate) name: Option<Value<'d>>,
    pub(crate) phones: Vec<Value<'d>>,
    pub(crate) emails: Vec<Value<'d>>,
}

#[derive(Debug)]
pub(crate) struct Button<'d> {
    pub(crate) id: Option<Value<'d>>,
    pub(crate) title: Option<Value<'d>>,
    pub(crate) url: Option<Value<'d>>,
}

#[derive(Debug, Default)]
pub(crate) struct Choice<'d> {
    pub(crate) id: Option<Value<'d>>,
    pub(crate) title: Option<Value<'d>>,
    pub(crate) description: Option<Value<'d>>,
}

#[derive(Debug, Default)]
pub(crate) struct Order<'d> {
    pub(crate) catalog_id: Option<Value<'d>>,
    pub(crate) items: Vec<OrderItem<'d>>,
}

#[derive(Debug)]
pub(crate) struct OrderItem<'d> {
    pub(crate) id: Option<Value<'d>>,
    pub(crate) quantity: Option<Value<'d>>,
    pub(crate) price: Option<Value<'d>>,
    pub(crate) currency: Option<Value<'d>>,
}

#[derive(Debug, Default)]
pub(crate) struct Flow<'d> {
    pub(crate) name: Option<Value<'d>>,
    /// The person's answers: JSON in a text.
    pub(crate) response: Option<Value<'d>>,
}

#[derive(Debug, Default)]
pub(crate) struct Link<'d> {
    pub(crate) url: Option<Value<'d>>,
    pub(crate) title: Option<Value<'d>>,
}

/// Where a person came from.
#[derive(Debug, Default)]
pub(crate) struct Referral<'d> {
    pub(crate) source: Option<Value<'d>>,
    pub(crate) id: Option<Value<'d>>,
    pub(crate) url: Option<Value<'d>>,
    pub(crate) title: Option<Value<'d>>,
    pub(crate) text: Option<Value<'d>>,
    /// What the business wrote into its link.
    pub(crate) label: Option<Value<'d>>,
    pub(crate) click_id: Option<Value<'d>>,
}

macro_rules! message_kinds {
    ($($kind:ident $word:literal $note:literal),+ $(,)?) => {
        /// What a message is. There is one list for all platforms.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum MessageKind {
            $(#[doc = $note] $kind,)+
            /// A message of a kind that this version does not know.
            #[default]
            Other,
        }

        impl MessageKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+ Self::Other];

            /// As DSK gets it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)+
                    Self::Other => "other",
                }
            }

            /// What it is, for the reader of `docs/events.md`.
            pub const fn note(self) -> &'static str {
                match self {
                    $(Self::$kind => $note,)+
                    Self::Other => "A message of a kind that this version does not know.",
                }
            }
        }
    };
}

message_kinds! {
    Text "text" "A text.",
    Image "image" "A picture; its caption is the text.",
    Audio "audio" "A sound file.",
    Voice "voice" "A voice note.",
    Video "video" "A video; its caption is the text.",
    Document "document" "A file; its caption is the text.",
    Sticker "sticker" "A sticker or a like.",
    Location "location" "A place, in `location`; its name is the text.",
    Contacts "contacts" "Business cards, in `contacts`.",
    Reaction "reaction" "A reaction to `target`. Without `emoji` it was taken back.",
    Edit "edit" "`target` has a new text.",
    Deletion "deletion" "`target` was deleted.",
    Button "button" "A button or a quick reply was pressed: `choice`.",
    ListChoice "list_choice" "A row of a list was chosen: `choice`.",
    Flow "flow" "A form was finished: `flow`.",
    CallPermission "call_permission" "A person answered whether the business may call; the text is Meta's word for the answer.",
    Interactive "interactive" "The business sent buttons, a list or the like: `buttons`.",
    Template "template" "The business sent a template, or a person asks about a product.",
    Order "order" "An order: `order`.",
    System "system" "Something changed, such as a person's number; or a chat was opened for the first time.",
    Share "share" "A post, a reel or a page was shared: `link`.",
    StoryReply "story_reply" "An answer to a story, `reply_to`.",
    StoryMention "story_mention" "The account was named in a story.",
    Comment "comment" "A comment on a post.",
    Mention "mention" "The account was named in a comment, a caption or a post.",
    Referral "referral" "A person came from a link or an advertisement: `referral`.",
    Placeholder "placeholder" "A message from before the number was connected, whose file may follow in an event of its own.",
    Unsupported "unsupported" "Meta cannot show it; the text is Meta's reason.",
}

impl Direction {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

impl<'d> Message<'d> {
    pub(crate) fn new(kind: MessageKind, id: Option<Value<'d>>) -> Self {
        Self { id, kind, ..Self::default() }
    }
}
