//! Every text of the pages, and the form of their dates. A translation would be another file like this one.

use jiff::Timestamp;

pub(crate) const LANGUAGE: &str = "en";
pub(crate) const SERVICE: &str = "Channels for DSK";

pub(crate) const START_TITLE: &str = "This page needs a link";
pub(crate) const START: &str = "To connect a channel you need a link from DSK. Please open it there.";

pub(crate) const BEGIN_TITLE: &str = "Connect your channels";
pub(crate) const BEGIN: &str =
    "Here you connect a WhatsApp number or an Instagram account, so that its messages reach your team in DSK.";
pub(crate) const BEGIN_COOKIE: &str =
    "When you continue, we set one cookie that keeps you signed in here for 30 minutes. There is no other.";
pub(crate) const CONTINUE: &str = "Continue";

pub(crate) const PRIVACY_TITLE: &str = "Privacy policy";
pub(crate) const PRIVACY_CONTACT: &str = "The company responsible for it is:";
pub(crate) const PRIVACY_NO_CONTACT: &str =
    "The company that runs it is responsible for it; DSK, or the business that sent you here, can tell you its name.";

pub(crate) const LINK_TITLE: &str = "This link no longer works";
pub(crate) const LINK: &str =
    "A link works only once, and only for a short time. Please get a new one in DSK and open it on this device.";

pub(crate) const SESSION_TITLE: &str = "Please start again";
pub(crate) const SESSION: &str = "You were away for too long, or this page was opened without a link. Nothing was changed. Please get a new link in DSK.";

pub(crate) const FOREIGN_FORM_TITLE: &str = "We did not do that";
pub(crate) const FOREIGN_FORM: &str = "Another website asked for this in your name, so we did nothing. If you want to connect a channel, please open the link from DSK yourself.";

pub(crate) const OFTEN_TITLE: &str = "Too many attempts";
pub(crate) const OFTEN: &str = "Please wait a minute, then try again.";

pub(crate) const NOT_FOUND_TITLE: &str = "There is no such page";
pub(crate) const NOT_FOUND: &str = "Please check the address, or open the link from DSK again.";

pub(crate) const STORE_TITLE: &str = "We have a problem";
pub(crate) const STORE: &str =
    "We can't reach our storage at the moment. Nothing was changed. Please try again in a few minutes.";

pub(crate) const CHANNELS_TITLE: &str = "Your channels";
pub(crate) const CHANNELS_NONE: &str = "No channel is connected yet.";
pub(crate) const CHANNELS_NONE_WHAT: &str = "What would you like to connect first?";
pub(crate) const KIND_WHATSAPP: &str = "WhatsApp number";
pub(crate) const KIND_INSTAGRAM: &str = "Instagram account";
pub(crate) const KIND_OTHER: &str = "Channel";
pub(crate) const ACCESS_UNTIL: &str = "Access until";
pub(crate) const STATE_CONNECTED: &str = "Connected";
pub(crate) const STATE_RECONNECT: &str = "Access ended";
pub(crate) const RECONNECT_WHY: &str =
    "Meta no longer gives us access, so messages may not reach DSK until you reconnect the channel.";
pub(crate) const RECONNECT: &str = "Reconnect";
pub(crate) const ADD_TITLE: &str = "Connect another channel";
pub(crate) const ADD_WHATSAPP: &str = "Connect WhatsApp";
pub(crate) const ADD_INSTAGRAM: &str = "Connect Instagram";
pub(crate) const DISCONNECT: &str = "Disconnect";
pub(crate) const LEAVE: &str = "Finish and sign out";
pub(crate) const BACK: &str = "Back to your channels";

pub(crate) const DISCONNECT_TITLE: &str = "Disconnect this channel?";
pub(crate) const DISCONNECT_ASK: &str =
    "We will delete our access to it, and new messages will no longer reach DSK. You can connect it again at any time.";
pub(crate) const DISCONNECTED_TITLE: &str = "Disconnected";
pub(crate) const DISCONNECTED: &str =
    "We have deleted our access to the channel, and its messages no longer reach DSK.";
pub(crate) const DISCONNECTED_STILL_SUBSCRIBED: &str = "We could not tell Meta, so it may keep sending us messages for a while; we discard them. You can also remove our app in your Meta account, under Business Integrations.";
pub(crate) const NOT_YOURS: &str = "This channel is not one of yours, or it is already disconnected.";

pub(crate) const WHATSAPP_TITLE: &str = "Connect WhatsApp";
pub(crate) const WHATSAPP: &str =
    "Meta will ask you to log in with Facebook, and to choose your business account and your number.";
pub(crate) const WHATSAPP_POPUP: &str = "This opens a new window. Please allow pop-ups for this page.";
pub(crate) const WHATSAPP_BUTTON: &str = "Continue with Facebook";
pub(crate) const WHATSAPP_NO_SCRIPT: &str =
    "Meta's login for WhatsApp needs JavaScript. Please allow it for this page, and reload the page.";
pub(crate) const WHATSAPP_MISSING: &str = "Meta's login has not loaded. Please try again in a moment. If that does not help, your browser may be blocking it: allow connect.facebook.net for this page, and reload the page.";
pub(crate) const WHATSAPP_WAITING: &str = "One moment, we are connecting your number.";

pub(crate) const CONNECTED_TITLE: &str = "Connected";
pub(crate) const CONNECTED: &str = "From now on, its messages reach DSK. You can close this page.";
pub(crate) const PIN: &str = "The number's two-step verification PIN is now";
pub(crate) const PIN_KEEP: &str =
    "Please write it down: WhatsApp asks for it if the number is registered again. We do not keep it.";

pub(crate) const CANCELLED_TITLE: &str = "Not connected";
pub(crate) const CANCELLED: &str = "You left before the last step. Nothing was changed, and you can start again.";
pub(crate) const FAILED_TITLE: &str = "That did not work";
pub(crate) const TRY_AGAIN: &str = "Try again";

pub(crate) const FAILED_AWAY: &str =
    "We can't reach Meta at the moment. Nothing was changed. Please try again in a few minutes.";
pub(crate) const FAILED_THROTTLED: &str = "Meta asks us to pause. Nothing was changed. Please try again in an hour.";
pub(crate) const FAILED_TOKEN: &str = "Meta no longer accepts this login, which is valid for only a few seconds. Nothing was changed. Please start again.";
pub(crate) const FAILED_PERMISSION: &str = "A permission is missing. Nothing was changed. Please start again and leave every permission switched on; you need full control of the business account.";
pub(crate) const FAILED_REFUSED: &str =
    "Meta refused. Nothing was changed. Please try again. If that does not help, tell us at what time it happened.";
pub(crate) const FAILED_NOT_GRANTED: &str =
    "You chose an account, but did not give us access to it. Nothing was changed. Please start again.";
pub(crate) const FAILED_NO_NUMBER: &str = "The account has no number yet, or it has several and you did not choose one. Please start again and choose a number.";
pub(crate) const FAILED_OTHER_TENANT: &str = "This channel is already connected for another DSK customer, and must be disconnected there first. Nothing was changed.";
pub(crate) const FAILED_REGISTER: &str = "Meta could not register the number. If it has two-step verification, please switch that off in WhatsApp Manager, then start again. Nothing is left half connected.";
pub(crate) const FAILED_STATE: &str = "This answer from Instagram does not belong to a login that you started here. Nothing was changed. Please start again.";

pub(crate) const DELETION_TITLE: &str = "Deletion of your data";
pub(crate) const DELETION_CODE: &str = "Confirmation code";
pub(crate) const DELETION_ASKED: &str = "Requested";
pub(crate) const DELETION_DONE_AT: &str = "Completed";
pub(crate) const DELETION_PENDING: &str = "Your channels and our access to them are deleted. Messages that were set aside are being deleted, which takes about a minute.";
pub(crate) const DELETION_DONE: &str = "Your channels, our access to them, and messages that were set aside are deleted. None of it can be delivered or shown any more.";
pub(crate) const DELETION_FOUND_NOTHING: &str = "We looked for channels that you have connected, or had connected in the last 30 days, and found none: there was nothing to delete. If you are looking for messages that you have written to a business, please ask that business.";
pub(crate) const DELETION_COPIES: &str = "Copies of messages that are still on their way through our system are discarded when their turn comes, after 7 days at the latest. Your business can delete in DSK what DSK has already received.";
pub(crate) const DELETION_UNKNOWN: &str = "We know of no deletion with this code, or it was more than a year ago.";

/// Writes a day, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%-d %B %Y").to_string()
}

/// Writes a day and a time, in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
