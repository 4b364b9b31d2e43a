//! Every text of the pages, and how they write a date. A translation is another file like this one.

use jiff::Timestamp;

pub(crate) const LANGUAGE: &str = "en";
pub(crate) const SERVICE: &str = "Channels for DSK";

pub(crate) const START_TITLE: &str = "This page needs a link";
pub(crate) const START: &str = "Channels are connected with a link that you get in DSK. Open it from there.";

pub(crate) const BEGIN_TITLE: &str = "Connect your channels";
pub(crate) const BEGIN: &str =
    "Here you connect a WhatsApp number or an Instagram account, so that its messages reach your team in DSK.";
pub(crate) const BEGIN_COOKIE: &str =
    "When you continue, we set one cookie that keeps you signed in here for 30 minutes. There is no other.";
pub(crate) const CONTINUE: &str = "Continue";

pub(crate) const PRIVACY_TITLE: &str = "Privacy policy";
pub(crate) const PRIVACY_CONTACT: &str = "Responsible is:";
pub(crate) const PRIVACY_NO_CONTACT: &str =
    "Responsible is the company that runs it; DSK and the business that sent you here can name it.";

pub(crate) const LINK_TITLE: &str = "This link no longer works";
pub(crate) const LINK: &str =
    "A link works once and for a short time. Ask for a new one in DSK, and open it on this device.";

pub(crate) const SESSION_TITLE: &str = "Please begin again";
pub(crate) const SESSION: &str = "You were away for too long, or this page was opened without a link. Nothing was changed. Ask for a new link in DSK.";

pub(crate) const OFTEN_TITLE: &str = "Too many attempts";
pub(crate) const OFTEN: &str = "Wait a minute, then try again.";

pub(crate) const NOT_FOUND_TITLE: &str = "There is no such page";
pub(crate) const NOT_FOUND: &str = "Check the address, or open the link from DSK again.";

pub(crate) const STORE_TITLE: &str = "We have a problem";
pub(crate) const STORE: &str = "Our storage can't be reached. Nothing was changed. Try again in a few minutes.";

pub(crate) const CHANNELS_TITLE: &str = "Your channels";
pub(crate) const CHANNELS_NONE: &str = "No channel is connected yet.";
pub(crate) const CHANNELS_NONE_WHAT: &str = "Choose what you want to connect first.";
pub(crate) const KIND_WHATSAPP: &str = "WhatsApp number";
pub(crate) const KIND_INSTAGRAM: &str = "Instagram account";
pub(crate) const KIND_OTHER: &str = "Channel";
pub(crate) const ACCESS_UNTIL: &str = "Access until";
pub(crate) const STATE_CONNECTED: &str = "Connected";
pub(crate) const STATE_RECONNECT: &str = "Access ended";
pub(crate) const RECONNECT_WHY: &str =
    "Meta no longer gives us access, so messages may be missing until you reconnect the channel.";
pub(crate) const RECONNECT: &str = "Reconnect";
pub(crate) const ADD_TITLE: &str = "Connect another channel";
pub(crate) const ADD_WHATSAPP: &str = "Connect WhatsApp";
pub(crate) const ADD_INSTAGRAM: &str = "Connect Instagram";
pub(crate) const DISCONNECT: &str = "Disconnect";
pub(crate) const LEAVE: &str = "Finish and sign out";
pub(crate) const BACK: &str = "Back to your channels";

pub(crate) const DISCONNECT_TITLE: &str = "Disconnect this channel?";
pub(crate) const DISCONNECT_ASK: &str =
    "Its access is deleted here, and messages that arrive from now on no longer reach DSK. You can connect it again.";
pub(crate) const DISCONNECTED_TITLE: &str = "Disconnected";
pub(crate) const DISCONNECTED: &str = "The channel's access is deleted, and its messages no longer reach DSK.";
pub(crate) const DISCONNECTED_STILL_SUBSCRIBED: &str = "Meta could not be told, so it may go on sending for a while; what it sends is thrown away. You can also remove the app in your Meta account, under Business Integrations.";
pub(crate) const NOT_YOURS: &str = "This channel is not one of yours, or it is disconnected already.";

pub(crate) const WHATSAPP_TITLE: &str = "Connect WhatsApp";
pub(crate) const WHATSAPP: &str =
    "Meta asks you to log in with Facebook, and to choose the business account and the number.";
pub(crate) const WHATSAPP_POPUP: &str = "A window opens for it: allow pop-ups for this page.";
pub(crate) const WHATSAPP_BUTTON: &str = "Continue with Facebook";
pub(crate) const WHATSAPP_NO_SCRIPT: &str =
    "Meta's login for WhatsApp needs JavaScript. Allow it for this page, and reload.";
pub(crate) const WHATSAPP_MISSING: &str = "Meta's login has not been loaded. Try again in a moment; if it stays so, allow connect.facebook.net in whatever blocks content for this page, and reload.";
pub(crate) const WHATSAPP_WAITING: &str = "One moment: we are connecting the number.";

pub(crate) const CONNECTED_TITLE: &str = "Connected";
pub(crate) const CONNECTED: &str = "From now on its messages reach DSK. You can close this page.";
pub(crate) const PIN: &str = "The number's two-step verification PIN is now";
pub(crate) const PIN_KEEP: &str =
    "Note it down: WhatsApp asks for it if the number is registered again. We do not keep it.";

pub(crate) const CANCELLED_TITLE: &str = "Not connected";
pub(crate) const CANCELLED: &str = "You left before the end. Nothing was changed; you can begin again.";
pub(crate) const FAILED_TITLE: &str = "That did not work";
pub(crate) const TRY_AGAIN: &str = "Try again";

pub(crate) const FAILED_AWAY: &str =
    "Meta can't be reached at the moment. Nothing was changed. Try again in a few minutes.";
pub(crate) const FAILED_THROTTLED: &str = "Meta asks for a pause. Nothing was changed. Try again in an hour.";
pub(crate) const FAILED_TOKEN: &str =
    "Meta no longer accepts this login: it is valid for a few seconds only. Nothing was changed. Begin again.";
pub(crate) const FAILED_PERMISSION: &str = "A permission is missing. Nothing was changed. Begin again, and leave every permission switched on; you need full control of the business account.";
pub(crate) const FAILED_REFUSED: &str =
    "Meta refused it. Nothing was changed. Try again; if it stays so, tell us the time at which it happened.";
pub(crate) const FAILED_NOT_GRANTED: &str =
    "The account that was chosen is not among those you gave access to. Nothing was changed. Begin again.";
pub(crate) const FAILED_NO_NUMBER: &str =
    "The account has no number yet, or several and none was chosen. Begin again, and choose one number.";
pub(crate) const FAILED_OTHER_TENANT: &str = "This channel is connected for another customer of DSK. It has to be disconnected there first. Nothing was changed.";
pub(crate) const FAILED_REGISTER: &str = "Meta could not register the number. If it has two-step verification, switch that off in WhatsApp Manager. Nothing is left half connected; then begin again.";
pub(crate) const FAILED_STATE: &str =
    "This answer of Instagram does not belong to a login that you began here. Nothing was changed. Begin again.";

pub(crate) const DELETION_TITLE: &str = "Deletion of your data";
pub(crate) const DELETION_CODE: &str = "Confirmation code";
pub(crate) const DELETION_ASKED: &str = "Asked for";
pub(crate) const DELETION_DONE_AT: &str = "Done";
pub(crate) const DELETION_PENDING: &str = "Your channels and their access are deleted. Messages that were put aside are being deleted; that takes about a minute.";
pub(crate) const DELETION_DONE: &str = "Your channels, their access, and messages that were put aside are deleted. Nothing of them can be delivered or shown.";
pub(crate) const DELETION_COPIES: &str = "Copies of messages that are on their way inside our system are thrown away when their turn comes, after 7 days at the latest. What DSK has received already is deleted by your business there.";
pub(crate) const DELETION_UNKNOWN: &str = "There is no deletion with this code, or it was more than a year ago.";

/// A day, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%-d %B %Y").to_string()
}

/// A day and a time, in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
