# Deutsch. Die Namen der Texte und ihre Variablen sind in allen Sprachen dieselben; ein Test vergleicht sie.

service = Kanäle für DSK
for-whom = Für den DSK-Kunden { $tenant }
language-choice = Sprache

start-title = Diese Seite braucht einen Link
start = Um einen Kanal zu verbinden, brauchen Sie einen Link aus DSK. Bitte öffnen Sie ihn dort.

begin-title = Ihre Kanäle verbinden
begin = Hier verbinden Sie eine WhatsApp-Nummer oder ein Instagram-Konto, damit die Nachrichten Ihr Team in DSK erreichen.
begin-check = Dieser Link gehört zum DSK-Kunden { $tenant }: Dort kommen die Nachrichten an, wenn Sie etwas verbinden. Wenn Sie nicht für { $tenant } arbeiten, schließen Sie bitte diese Seite.
begin-cookie = Wenn Sie fortfahren, setzen wir ein Cookie, mit dem Sie hier { $minutes } Minuten lang angemeldet bleiben. Ein anderes gibt es nicht.
continue = Weiter

privacy-title = Datenschutzerklärung
privacy-in-english = Dieser Text ist auf Englisch.

link-title = Dieser Link gilt nicht mehr
link = Ein Link gilt nur einmal und nur für kurze Zeit. Bitte holen Sie sich in DSK einen neuen, und öffnen Sie ihn auf diesem Gerät.

session-title = Bitte beginnen Sie noch einmal
session = Sie waren zu lange weg, oder diese Seite wurde ohne Link geöffnet. Es wurde nichts geändert. Bitte holen Sie sich in DSK einen neuen Link.

foreign-form-title = Das haben wir nicht getan
foreign-form = Eine andere Website hat dies in Ihrem Namen verlangt, deshalb haben wir nichts getan. Wenn Sie einen Kanal verbinden möchten, öffnen Sie bitte selbst den Link aus DSK.

often-title = Zu viele Versuche
often = Bitte warten Sie eine Minute, und versuchen Sie es dann noch einmal.

not-found-title = Diese Seite gibt es nicht
not-found = Bitte prüfen Sie die Adresse, oder öffnen Sie den Link aus DSK noch einmal.

store-title = Wir haben eine Störung
store = Wir erreichen gerade unseren Speicher nicht. Es wurde nichts geändert. Bitte versuchen Sie es in einigen Minuten noch einmal.

channels-title = Ihre Kanäle
channels-none = Noch ist kein Kanal verbunden.
channels-none-what = Was möchten Sie zuerst verbinden?
kind-whatsapp = WhatsApp-Nummer
kind-instagram = Instagram-Konto
kind-other = Kanal
access-until = Zugriff bis { $date }
state-connected = Verbunden
state-reconnect = Zugriff beendet
reconnect-why = Meta gibt uns keinen Zugriff mehr. Bis Sie den Kanal neu verbinden, erreichen Nachrichten DSK vielleicht nicht.
reconnect = Neu verbinden
reconnect-named = Neu verbinden: { $name }
add-title = Weiteren Kanal verbinden
add-whatsapp = WhatsApp verbinden
add-instagram = Instagram verbinden
disconnect = Trennen
disconnect-named = Trennen: { $name }
leave = Fertig und abmelden
back = Zurück zu Ihren Kanälen

disconnect-title = Diesen Kanal trennen?
disconnect-ask = Wir löschen unseren Zugriff darauf, und neue Nachrichten erreichen DSK nicht mehr. Sie können ihn jederzeit wieder verbinden.
disconnected-title = Getrennt
disconnected = Wir haben unseren Zugriff auf den Kanal gelöscht, und seine Nachrichten erreichen DSK nicht mehr.
disconnected-still-subscribed = Wir konnten Meta nicht Bescheid geben. Vielleicht schickt uns Meta noch eine Weile Nachrichten; wir verwerfen sie. Sie können unsere App auch in Ihrem Meta-Konto unter „Business-Integrationen“ entfernen.
not-yours = Dieser Kanal gehört nicht zu Ihren, oder er ist schon getrennt.

whatsapp-title = WhatsApp verbinden
whatsapp = Meta bittet Sie, sich mit Facebook anzumelden und Ihr Unternehmenskonto und Ihre Nummer auszuwählen.
whatsapp-loads = Die Anmeldung wird erst dann von Meta geladen, wenn Sie auf die Schaltfläche drücken. Meta erfährt dabei Ihre IP-Adresse und verwendet vielleicht eigene Cookies.
whatsapp-popup = Es öffnet sich ein neues Fenster. Bitte erlauben Sie Pop-ups für diese Seite.
whatsapp-button = Weiter mit Facebook
whatsapp-no-script = Die Anmeldung von Meta für WhatsApp braucht JavaScript. Bitte erlauben Sie es für diese Seite, und laden Sie die Seite neu.
whatsapp-loading = Einen Moment, die Anmeldung von Meta wird geladen.
whatsapp-ready = Die Anmeldung von Meta ist geladen. Bitte drücken Sie noch einmal auf die Schaltfläche.
whatsapp-missing = Die Anmeldung von Meta wurde nicht geladen. Bitte versuchen Sie es gleich noch einmal. Wenn das nicht hilft, blockiert vielleicht Ihr Browser sie: Erlauben Sie connect.facebook.net für diese Seite, und laden Sie die Seite neu.
whatsapp-waiting = Einen Moment, wir verbinden Ihre Nummer.

connected-title = Verbunden
connected = Ab jetzt erreichen die Nachrichten DSK. Sie können diese Seite schließen.
pin = Die PIN der Nummer für die Verifizierung in zwei Schritten ist jetzt
pin-keep = Bitte schreiben Sie sie auf: WhatsApp fragt danach, wenn die Nummer noch einmal registriert wird. Wir bewahren sie nicht auf.

cancelled-title = Nicht verbunden
cancelled = Sie haben vor dem letzten Schritt abgebrochen. Es wurde nichts geändert, und Sie können noch einmal beginnen.
failed-title = Das hat nicht geklappt
try-again = Noch einmal versuchen

failed-away = Wir erreichen Meta gerade nicht. Es wurde nichts geändert. Bitte versuchen Sie es in einigen Minuten noch einmal.
failed-throttled = Meta bittet uns um eine Pause. Es wurde nichts geändert. Bitte versuchen Sie es in einer Stunde noch einmal.
failed-token = Meta nimmt diese Anmeldung nicht mehr an; sie gilt nur wenige Sekunden. Es wurde nichts geändert. Bitte beginnen Sie noch einmal.
failed-permission = Eine Berechtigung fehlt. Es wurde nichts geändert. Bitte beginnen Sie noch einmal, und lassen Sie alle Berechtigungen eingeschaltet; Sie brauchen volle Kontrolle über das Unternehmenskonto.
failed-refused = Meta hat abgelehnt. Es wurde nichts geändert. Bitte versuchen Sie es noch einmal. Wenn das nicht hilft, sagen Sie uns, um wie viel Uhr es war.
failed-not-granted = Sie haben ein Konto ausgewählt, uns aber keinen Zugriff darauf gegeben. Es wurde nichts geändert. Bitte beginnen Sie noch einmal.
failed-no-number = Das Konto hat noch keine Nummer, oder es hat mehrere und Sie haben keine ausgewählt. Bitte beginnen Sie noch einmal, und wählen Sie eine Nummer aus.
failed-other-tenant = Dieser Kanal ist schon für einen anderen DSK-Kunden verbunden und muss zuerst dort getrennt werden. Es wurde nichts geändert.
failed-register = Meta konnte die Nummer nicht registrieren. Wenn sie eine Verifizierung in zwei Schritten hat, schalten Sie diese bitte im WhatsApp Manager aus, und beginnen Sie noch einmal. Nichts ist halb verbunden.
failed-state = Diese Antwort von Instagram gehört zu keiner Anmeldung, die Sie hier begonnen haben. Es wurde nichts geändert. Bitte beginnen Sie noch einmal.

deletion-title = Löschung Ihrer Daten
deletion-code = Bestätigungscode
deletion-asked = Verlangt
deletion-done-at = Abgeschlossen
deletion-pending = Ihre Kanäle und unser Zugriff darauf sind gelöscht. Zur Seite gelegte Nachrichten werden gerade gelöscht; das dauert etwa eine Minute.
deletion-done = Ihre Kanäle, unser Zugriff darauf und zur Seite gelegte Nachrichten sind gelöscht. Nichts davon kann noch zugestellt oder gezeigt werden.
deletion-found-nothing = Wir haben nach Kanälen gesucht, die Sie verbunden haben oder in den letzten 30 Tagen verbunden hatten, und keine gefunden: Es gab nichts zu löschen. Wenn es Ihnen um Nachrichten geht, die Sie einem Unternehmen geschrieben haben, fragen Sie bitte dieses Unternehmen.
deletion-too-old = Diese Anfrage ist älter als die Verbindung Ihres Kanals; deshalb wurde nichts gelöscht. Wenn der Kanal gelöscht werden soll, stellen Sie die Anfrage bitte noch einmal.
deletion-connected-since = Was Sie seit dieser Anfrage verbunden haben, wurde nicht gelöscht. Wenn auch das gelöscht werden soll, stellen Sie die Anfrage bitte noch einmal.
deletion-copies = Kopien von Nachrichten, die noch auf dem Weg durch unser System sind, werden verworfen, sobald sie an der Reihe sind, spätestens nach 7 Tagen. Was DSK schon erhalten hat, kann Ihr Unternehmen in DSK löschen.
deletion-unknown = Wir kennen keine Löschung mit diesem Code, oder sie ist länger als ein Jahr her.

day =
    { $day }. { $month ->
        [1] Januar
        [2] Februar
        [3] März
        [4] April
        [5] Mai
        [6] Juni
        [7] Juli
        [8] August
        [9] September
        [10] Oktober
        [11] November
       *[12] Dezember
    } { $year }
moment = { day }, { $time } UTC
