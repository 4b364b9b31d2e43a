# Italiano. I nomi dei testi e le loro variabili sono gli stessi in tutte le lingue; un test li confronta.

service = Canali per DSK
for-whom = Per il cliente di DSK { $tenant }
language-choice = Lingua

start-title = Questa pagina ha bisogno di un link
start = Per collegare un canale serve un link di DSK. La preghiamo di aprirlo da lì.

begin-title = Colleghi i Suoi canali
begin = Qui può collegare un numero WhatsApp o un account Instagram, in modo che i messaggi arrivino al Suo team in DSK.
begin-check = Questo link appartiene al cliente di DSK { $tenant }: i messaggi di ciò che collega arriveranno a quel cliente. Se non lavora per { $tenant }, chiuda questa pagina, per favore.
begin-cookie = Se continua, salviamo un cookie che mantiene aperta la Sua sessione per { $minutes } minuti. Non ce ne sono altri.
continue = Continua

privacy-title = Informativa sulla privacy
privacy-in-english = Questo testo è in inglese.

link-title = Questo link non funziona più
link = Un link funziona una sola volta e per poco tempo. Ne chieda uno nuovo in DSK e lo apra su questo dispositivo, per favore.

session-title = Ricominci, per favore
session = È passato troppo tempo, oppure questa pagina è stata aperta senza un link. Non è stato modificato nulla. Chieda un nuovo link in DSK, per favore.

foreign-form-title = Non lo abbiamo fatto
foreign-form = Un altro sito lo ha chiesto a Suo nome, quindi non abbiamo fatto nulla. Se desidera collegare un canale, apra Lei il link di DSK, per favore.

often-title = Troppi tentativi
often = Attenda un minuto e riprovi, per favore.

not-found-title = Questa pagina non esiste
not-found = Controlli l’indirizzo o apra di nuovo il link di DSK, per favore.

store-title = Abbiamo un problema
store = Al momento non riusciamo ad accedere al nostro archivio. Non è stato modificato nulla. Riprovi tra qualche minuto, per favore.

channels-title = I Suoi canali
channels-none = Non è ancora collegato nessun canale.
channels-none-what = Che cosa desidera collegare per primo?
kind-whatsapp = Numero WhatsApp
kind-instagram = Account Instagram
kind-other = Canale
access-until = Accesso fino al { $date }
state-connected = Collegato
state-reconnect = Accesso terminato
reconnect-why = Meta non ci dà più accesso, quindi i messaggi potrebbero non arrivare a DSK finché non ricollega il canale.
reconnect = Ricollega
reconnect-named = Ricollega { $name }
add-title = Collegare un altro canale
add-whatsapp = Collega WhatsApp
add-instagram = Collega Instagram
disconnect = Scollega
disconnect-named = Scollega { $name }
leave = Termina ed esci
back = Torna ai Suoi canali

disconnect-title = Scollegare questo canale?
disconnect-ask = Cancelleremo il nostro accesso, e i nuovi messaggi non arriveranno più a DSK. Può ricollegarlo in qualsiasi momento.
disconnected-title = Scollegato
disconnected = Abbiamo cancellato il nostro accesso al canale, e i suoi messaggi non arrivano più a DSK.
disconnected-still-subscribed = Non siamo riusciti ad avvisare Meta, che quindi potrebbe inviarci messaggi ancora per un po’; noi li scartiamo. Può anche rimuovere la nostra app nel Suo account Meta, in “Integrazioni aziendali”.
not-yours = Questo canale non è tra i Suoi, oppure è già scollegato.

whatsapp-title = Collega WhatsApp
whatsapp = Meta Le chiederà di accedere con Facebook e di scegliere il Suo account aziendale e il Suo numero.
whatsapp-loads = L’accesso di Meta viene caricato da Meta solo quando preme il pulsante. Meta viene allora a conoscere il Suo indirizzo IP e può usare cookie propri.
whatsapp-popup = Si aprirà una nuova finestra. Consenta i pop-up per questa pagina, per favore.
whatsapp-button = Continua con Facebook
whatsapp-no-script = L’accesso di Meta per WhatsApp richiede JavaScript. Lo consenta per questa pagina e la ricarichi, per favore.
whatsapp-loading = Un momento, l’accesso di Meta si sta caricando.
whatsapp-ready = L’accesso di Meta è pronto. Prema ancora una volta il pulsante, per favore.
whatsapp-missing = L’accesso di Meta non si è caricato. Riprovi tra un momento, per favore. Se non basta, forse il Suo browser lo blocca: consenta connect.facebook.net per questa pagina e la ricarichi.
whatsapp-waiting = Un momento, stiamo collegando il Suo numero.

connected-title = Collegato
connected = Da ora in poi i messaggi arrivano a DSK. Può chiudere questa pagina.
pin = Il PIN della verifica in due passaggi del numero ora è
pin-keep = Lo annoti, per favore: WhatsApp lo chiede se il numero viene registrato di nuovo. Noi non lo conserviamo.

cancelled-title = Non collegato
cancelled = È uscito prima dell’ultimo passaggio. Non è stato modificato nulla, e può ricominciare.
failed-title = Non ha funzionato
try-again = Riprova

failed-away = Al momento non riusciamo a raggiungere Meta. Non è stato modificato nulla. Riprovi tra qualche minuto, per favore.
failed-throttled = Meta ci chiede una pausa. Non è stato modificato nulla. Riprovi tra un’ora, per favore.
failed-token = Meta non accetta più questo accesso, che vale solo pochi secondi. Non è stato modificato nulla. Ricominci, per favore.
failed-permission = Manca un’autorizzazione. Non è stato modificato nulla. Ricominci e lasci attive tutte le autorizzazioni, per favore; serve il controllo completo dell’account aziendale.
failed-refused = Meta ha rifiutato. Non è stato modificato nulla. Riprovi, per favore. Se non basta, ci dica a che ora è successo.
failed-not-granted = Ha scelto un account, ma non ci ha dato accesso. Non è stato modificato nulla. Ricominci, per favore.
failed-no-number = L’account non ha ancora un numero, oppure ne ha più di uno e non ne è stato scelto nessuno. Ricominci e scelga un numero, per favore.
failed-other-tenant = Questo canale è già collegato per un altro cliente di DSK e deve prima essere scollegato lì. Non è stato modificato nulla.
failed-register = Meta non è riuscita a registrare il numero. Se ha la verifica in due passaggi, la disattivi in WhatsApp Manager e ricominci, per favore. Nulla è rimasto collegato a metà.
failed-state = Questa risposta di Instagram non appartiene a un accesso iniziato qui. Non è stato modificato nulla. Ricominci, per favore.

deletion-title = Cancellazione dei Suoi dati
deletion-code = Codice di conferma
deletion-asked = Richiesta
deletion-done-at = Completata
deletion-pending = I Suoi canali e il nostro accesso ad essi sono cancellati. I messaggi messi da parte sono in corso di cancellazione; ci vuole circa un minuto.
deletion-done = I Suoi canali, il nostro accesso ad essi e i messaggi messi da parte sono cancellati. Nulla di tutto ciò può più essere consegnato o mostrato.
deletion-found-nothing = Abbiamo cercato canali che Lei ha collegato, o che erano collegati negli ultimi 30 giorni, e non ne abbiamo trovati: non c’era nulla da cancellare. Se si tratta di messaggi che ha scritto a un’azienda, La preghiamo di rivolgersi a quell’azienda.
deletion-too-old = Questa richiesta è precedente al collegamento del Suo canale, quindi non è stato cancellato nulla. Se desidera che il canale sia cancellato, ripeta la richiesta.
deletion-connected-since = Ciò che ha collegato dopo questa richiesta non è stato cancellato. Se desidera che sia cancellato anche questo, ripeta la richiesta.
deletion-copies = Le copie dei messaggi ancora in viaggio nel nostro sistema vengono scartate quando arriva il loro turno, al più tardi dopo 7 giorni. La Sua azienda può cancellare in DSK ciò che DSK ha già ricevuto.
deletion-unknown = Non conosciamo nessuna cancellazione con questo codice, oppure risale a più di un anno fa.

day =
    { $day } { $month ->
        [1] gennaio
        [2] febbraio
        [3] marzo
        [4] aprile
        [5] maggio
        [6] giugno
        [7] luglio
        [8] agosto
        [9] settembre
        [10] ottobre
        [11] novembre
       *[12] dicembre
    } { $year }
moment = { day }, { $time } UTC
