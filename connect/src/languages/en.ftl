# English. What people read who connect a channel. A test compares the ids and variables of all languages.

service = Channels for DSK
for-whom = For the DSK customer { $tenant }
language-choice = Language

start-title = This page needs a link
start = To connect a channel you need a link from DSK. Please open it there.

begin-title = Connect your channels
begin = Here you connect a WhatsApp number or an Instagram account, so that its messages reach your team in DSK.
begin-check = This link belongs to the DSK customer { $tenant }: the messages of what you connect will reach that customer. If you do not work for { $tenant }, please close this page.
begin-cookie = When you continue, we set one cookie that keeps you signed in here for { $minutes } minutes. There is no other.
continue = Continue

privacy-title = Privacy policy
privacy-in-english = This text is in English.

link-title = This link no longer works
link = A link works only once, and only for a short time. Please get a new one in DSK and open it on this device.

session-title = Please start again
session = You were away for too long, or this page was opened without a link. Nothing was changed. Please get a new link in DSK.

foreign-form-title = We did not do that
foreign-form = Another website asked for this in your name, so we did nothing. If you want to connect a channel, please open the link from DSK yourself.

often-title = Too many attempts
often = Please wait a minute, then try again.

not-found-title = There is no such page
not-found = Please check the address, or open the link from DSK again.

store-title = We have a problem
store = We can't reach our storage at the moment. Nothing was changed. Please try again in a few minutes.

channels-title = Your channels
channels-none = No channel is connected yet.
channels-none-what = What would you like to connect first?
kind-whatsapp = WhatsApp number
kind-instagram = Instagram account
kind-other = Channel
access-until = Access until { $date }
state-connected = Connected
state-reconnect = Access ended
reconnect-why = Meta no longer gives us access, so messages may not reach DSK until you reconnect the channel.
reconnect = Reconnect
reconnect-named = Reconnect { $name }
add-title = Connect another channel
add-whatsapp = Connect WhatsApp
add-instagram = Connect Instagram
disconnect = Disconnect
disconnect-named = Disconnect { $name }
leave = Finish and sign out
back = Back to your channels

disconnect-title = Disconnect this channel?
disconnect-ask = We will delete our access to it, and new messages will no longer reach DSK. You can connect it again at any time.
disconnected-title = Disconnected
disconnected = We have deleted our access to the channel, and its messages no longer reach DSK.
disconnected-still-subscribed = We could not tell Meta, so it may keep sending us messages for a while; we discard them. You can also remove our app in your Meta account, under Business Integrations.
not-yours = This channel is not one of yours, or it is already disconnected.

whatsapp-title = Connect WhatsApp
whatsapp = Meta will ask you to log in with Facebook, and to choose your business account and your number.
whatsapp-loads = Meta's login is loaded from Meta only when you press the button. Meta then learns your IP address and may use cookies of its own.
whatsapp-popup = This opens a new window. Please allow pop-ups for this page.
whatsapp-button = Continue with Facebook
whatsapp-no-script = Meta's login for WhatsApp needs JavaScript. Please allow it for this page, and reload the page.
whatsapp-loading = One moment, Meta's login is loading.
whatsapp-ready = Meta's login has loaded. Please press the button once more.
whatsapp-missing = Meta's login has not loaded. Please try again in a moment. If that does not help, your browser may be blocking it: allow connect.facebook.net for this page, and reload the page.
whatsapp-waiting = One moment, we are connecting your number.

connected-title = Connected
connected = From now on, its messages reach DSK. You can close this page.
pin = The number's two-step verification PIN is now
pin-keep = Please write it down: WhatsApp asks for it if the number is registered again. We do not keep it.

cancelled-title = Not connected
cancelled = You left before the last step. Nothing was changed, and you can start again.
failed-title = That did not work
try-again = Try again

failed-away = We can't reach Meta at the moment. Nothing was changed. Please try again in a few minutes.
failed-throttled = Meta asks us to pause. Nothing was changed. Please try again in an hour.
failed-token = Meta no longer accepts this login, which is valid for only a few seconds. Nothing was changed. Please start again.
failed-permission = A permission is missing. Nothing was changed. Please start again and leave every permission switched on; you need full control of the business account.
failed-refused = Meta refused. Nothing was changed. Please try again. If that does not help, tell us at what time it happened.
failed-not-granted = You chose an account, but did not give us access to it. Nothing was changed. Please start again.
failed-no-number = The account has no number yet, or it has several and you did not choose one. Please start again and choose a number.
failed-other-tenant = This channel is already connected for another DSK customer, and must be disconnected there first. Nothing was changed.
failed-register = Meta could not register the number. If it has two-step verification, please switch that off in WhatsApp Manager, then start again. Nothing is left half connected.
failed-state = This answer from Instagram does not belong to a login that you started here. Nothing was changed. Please start again.

deletion-title = Deletion of your data
deletion-code = Confirmation code
deletion-asked = Requested
deletion-done-at = Completed
deletion-pending = Your channels and our access to them are deleted. Messages that were set aside are being deleted, which takes about a minute.
deletion-done = Your channels, our access to them, and messages that were set aside are deleted. None of it can be delivered or shown any more.
deletion-found-nothing = We looked for channels that you have connected, or had connected in the last 30 days, and found none: there was nothing to delete. If you are looking for messages that you have written to a business, please ask that business.
deletion-too-old = This request is older than the connection of your channel, so nothing was deleted. If you want the channel to be deleted, please ask for it again.
deletion-connected-since = What you have connected since this request was not deleted. If you want that to be deleted too, please ask for it again.
deletion-copies = Copies of messages that are still on their way through our system are discarded when their turn comes, after 7 days at the latest. Your business can delete in DSK what DSK has already received.
deletion-unknown = We know of no deletion with this code, or it was more than a year ago.

day =
    { $day } { $month ->
        [1] January
        [2] February
        [3] March
        [4] April
        [5] May
        [6] June
        [7] July
        [8] August
        [9] September
        [10] October
        [11] November
       *[12] December
    } { $year }
moment = { day }, { $time } UTC
