//! What connect counts, and the values that the labels can have.

use chassis::{Counter, Counters, Gauge, Gauges, Label};
use strum::{IntoStaticStr, VariantArray};

chassis::metrics! {
    /// What connect counts.
    pub struct Metrics("connect") {
        /// Requests that were refused, by what was wrong with them.
        refused_total: Counters<RefusalReason>,
        /// Tickets that were issued, and tickets that were redeemed.
        tickets_total: Counters<TicketOutcome>,
        /// Attempts to connect a channel.
        connections_total: Counters<ConnectionOutcome>,
        /// Channels disconnected on the page, by whether Meta has stopped posting their events.
        disconnections_total: Counters<DisconnectionOutcome>,
        /// Deletions that people asked for through Meta.
        deletions_total: Counter,
        /// Requests to Meta, by outcome.
        graph_requests_total: Counters<GraphOutcome>,
        /// Channels, by the state of their token at Meta.
        channels: Gauges<TokenState>,
        /// Channels whose token at Meta ends within 7 days or has ended.
        tokens_expiring: Gauge,
        /// Checks and refreshes of channels' tokens at Meta, by outcome.
        token_checks_total: Counters<TokenCheck>,
        /// Checks of channels' subscriptions at Meta; `repaired` means that Meta had ended one.
        subscription_checks_total: Counters<SubscriptionCheck>,
        /// When this process last finished a round of maintenance of tokens and subscriptions, in seconds since 1970.
        maintenance_finished_timestamp_seconds: Gauge,
        /// Files that DSK asked for, by outcome.
        media_total: Counters<FetchOutcome>,
        /// Bytes of files sent to DSK.
        media_bytes_total: Counter,
        /// Profiles that DSK asked for, by outcome.
        profiles_total: Counters<FetchOutcome>,
    }
}

/// Implements [`Label`] for an enum whose variants are the label's values.
macro_rules! label {
    ($name:literal, $kind:ty) => {
        impl Label for $kind {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = <$kind>::VARIANTS;

            fn as_str(self) -> &'static str {
                self.into()
            }
        }
    };
}

label!("reason", RefusalReason);
label!("outcome", TicketOutcome);
label!("outcome", ConnectionOutcome);
label!("outcome", DisconnectionOutcome);
label!("outcome", GraphOutcome);
label!("state", TokenState);
label!("outcome", TokenCheck);
label!("outcome", SubscriptionCheck);
label!("outcome", FetchOutcome);

/// What was stolen, used up, expired, altered or sent too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum RefusalReason {
    ApiKey,
    Link,
    Session,
    /// A form that no page of ours has sent.
    Origin,
    Form,
    State,
    Rate,
    SignedRequest,
    Media,
    Profile,
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum TicketOutcome {
    Issued,
    Redeemed,
}

/// How an attempt to connect a channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum ConnectionOutcome {
    Connected,
    Cancelled,
    Failed,
}

/// Whether Meta still posts the events of a channel that was disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum DisconnectionOutcome {
    Unsubscribed,
    /// Meta could not be asked to stop, or did not.
    StillSubscribed,
}

/// How a request to Meta ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum GraphOutcome {
    Answered,
    Away,
    TimedOut,
    ServerError,
    Throttled,
    Token,
    Permission,
    Refused,
    Unexpected,
}

/// Whether a channel's token works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum TokenState {
    Connected,
    ReconnectNeeded,
}

/// What a check or refresh of a token led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum TokenCheck {
    Valid,
    Refreshed,
    ReconnectNeeded,
    Failed,
}

/// What a check of a subscription led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum SubscriptionCheck {
    Subscribed,
    Repaired,
    Failed,
}

/// What became of something that DSK asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum FetchOutcome {
    Served,
    /// Meta has no such thing, no longer has it, or does not show it to this channel.
    Unknown,
    /// The channel's token at Meta no longer works.
    Token,
    /// Meta gave no answer, or asks for a pause.
    Unavailable,
    /// It ended early, or was not what Meta had announced, or not what was asked for.
    Broken,
}
