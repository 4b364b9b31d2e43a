# Français. Les noms des textes et leurs variables sont les mêmes dans toutes les langues ; un test les compare.

service = Canaux pour DSK
for-whom = Pour le client de DSK { $tenant }
language-choice = Langue

start-title = Cette page a besoin d’un lien
start = Pour connecter un canal, il vous faut un lien de DSK. Veuillez l’ouvrir dans DSK.

begin-title = Connectez vos canaux
begin = Vous connectez ici un numéro WhatsApp ou un compte Instagram, afin que ses messages parviennent à votre équipe dans DSK.
begin-check = Ce lien appartient au client de DSK { $tenant } : les messages de ce que vous connectez lui parviendront. Si vous ne travaillez pas pour { $tenant }, veuillez fermer cette page.
begin-cookie = Si vous continuez, nous déposons un cookie qui vous garde connecté ici pendant { $minutes } minutes. Il n’y en a pas d’autre.
continue = Continuer

privacy-title = Politique de confidentialité
privacy-in-english = Ce texte est en anglais.

link-title = Ce lien ne fonctionne plus
link = Un lien ne fonctionne qu’une seule fois et peu de temps. Veuillez en demander un nouveau dans DSK et l’ouvrir sur cet appareil.

session-title = Veuillez recommencer
session = Vous avez été absent trop longtemps, ou cette page a été ouverte sans lien. Rien n’a été modifié. Veuillez demander un nouveau lien dans DSK.

foreign-form-title = Nous ne l’avons pas fait
foreign-form = Un autre site l’a demandé en votre nom, nous n’avons donc rien fait. Si vous souhaitez connecter un canal, veuillez ouvrir vous-même le lien de DSK.

often-title = Trop de tentatives
often = Veuillez attendre une minute, puis réessayer.

not-found-title = Cette page n’existe pas
not-found = Veuillez vérifier l’adresse, ou ouvrir de nouveau le lien de DSK.

store-title = Nous avons un problème
store = Nous n’avons pas accès à notre stockage pour le moment. Rien n’a été modifié. Veuillez réessayer dans quelques minutes.

channels-title = Vos canaux
channels-none = Aucun canal n’est encore connecté.
channels-none-what = Que souhaitez-vous connecter en premier ?
kind-whatsapp = Numéro WhatsApp
kind-instagram = Compte Instagram
kind-other = Canal
access-until = Accès jusqu’au { $date }
state-connected = Connecté
state-reconnect = Accès terminé
reconnect-why = Meta ne nous donne plus accès. Les messages risquent de ne pas parvenir à DSK tant que vous n’avez pas reconnecté le canal.
reconnect = Reconnecter
reconnect-named = Reconnecter { $name }
add-title = Connecter un autre canal
add-whatsapp = Connecter WhatsApp
add-instagram = Connecter Instagram
disconnect = Déconnecter
disconnect-named = Déconnecter { $name }
leave = Terminer et quitter
back = Retour à vos canaux

disconnect-title = Déconnecter ce canal ?
disconnect-ask = Nous supprimerons notre accès, et les nouveaux messages ne parviendront plus à DSK. Vous pourrez le reconnecter à tout moment.
disconnected-title = Déconnecté
disconnected = Nous avons supprimé notre accès au canal, et ses messages ne parviennent plus à DSK.
disconnected-still-subscribed = Nous n’avons pas pu prévenir Meta, qui continuera peut-être à nous envoyer des messages quelque temps ; nous les rejetons. Vous pouvez aussi retirer notre application dans votre compte Meta, sous « Intégrations professionnelles ».
not-yours = Ce canal n’est pas l’un des vôtres, ou il est déjà déconnecté.

whatsapp-title = Connecter WhatsApp
whatsapp = Meta vous demandera de vous connecter avec Facebook, puis de choisir votre compte professionnel et votre numéro.
whatsapp-loads = La connexion de Meta n’est chargée depuis Meta que lorsque vous appuyez sur le bouton. Meta apprend alors votre adresse IP et peut utiliser ses propres cookies.
whatsapp-popup = Une nouvelle fenêtre s’ouvrira. Veuillez autoriser les fenêtres pop-up pour cette page.
whatsapp-button = Continuer avec Facebook
whatsapp-no-script = La connexion de Meta pour WhatsApp a besoin de JavaScript. Veuillez l’autoriser pour cette page, puis recharger la page.
whatsapp-loading = Un instant, la connexion de Meta est en cours de chargement.
whatsapp-ready = La connexion de Meta est chargée. Veuillez appuyer encore une fois sur le bouton.
whatsapp-missing = La connexion de Meta ne s’est pas chargée. Veuillez réessayer dans un instant. Si cela ne suffit pas, votre navigateur la bloque peut-être : autorisez connect.facebook.net pour cette page, puis rechargez la page.
whatsapp-waiting = Un instant, nous connectons votre numéro.

connected-title = Connecté
connected = À partir de maintenant, ses messages parviennent à DSK. Vous pouvez fermer cette page.
pin = Le code PIN de la vérification en deux étapes du numéro est maintenant
pin-keep = Veuillez le noter : WhatsApp le demande si le numéro est enregistré de nouveau. Nous ne le conservons pas.

cancelled-title = Non connecté
cancelled = Vous avez quitté avant la dernière étape. Rien n’a été modifié, et vous pouvez recommencer.
failed-title = Cela n’a pas fonctionné
try-again = Réessayer

failed-away = Nous n’arrivons pas à joindre Meta pour le moment. Rien n’a été modifié. Veuillez réessayer dans quelques minutes.
failed-throttled = Meta nous demande de faire une pause. Rien n’a été modifié. Veuillez réessayer dans une heure.
failed-token = Meta n’accepte plus cette connexion, qui n’est valable que quelques secondes. Rien n’a été modifié. Veuillez recommencer.
failed-permission = Il manque une autorisation. Rien n’a été modifié. Veuillez recommencer en laissant toutes les autorisations activées ; il vous faut le contrôle total du compte professionnel.
failed-refused = Meta a refusé. Rien n’a été modifié. Veuillez réessayer. Si cela ne suffit pas, dites-nous à quelle heure c’est arrivé.
failed-not-granted = Vous avez choisi un compte, mais vous ne nous y avez pas donné accès. Rien n’a été modifié. Veuillez recommencer.
failed-no-number = Le compte n’a pas encore de numéro, ou il en a plusieurs et vous n’en avez choisi aucun. Veuillez recommencer et choisir un numéro.
failed-other-tenant = Ce canal est déjà connecté pour un autre client de DSK et doit d’abord y être déconnecté. Rien n’a été modifié.
failed-register = Meta n’a pas pu enregistrer le numéro. S’il a la vérification en deux étapes, veuillez la désactiver dans WhatsApp Manager, puis recommencer. Rien n’est resté connecté à moitié.
failed-state = Cette réponse d’Instagram ne correspond à aucune connexion que vous avez commencée ici. Rien n’a été modifié. Veuillez recommencer.

deletion-title = Suppression de vos données
deletion-code = Code de confirmation
deletion-asked = Demandée
deletion-done-at = Terminée
deletion-pending = Vos canaux et notre accès à ceux-ci sont supprimés. Les messages mis de côté sont en cours de suppression, ce qui prend environ une minute.
deletion-done = Vos canaux, notre accès à ceux-ci et les messages mis de côté sont supprimés. Plus rien de tout cela ne peut être transmis ni affiché.
deletion-found-nothing = Nous avons cherché des canaux que vous avez connectés, ou qui l’étaient au cours des 30 derniers jours, et n’en avons trouvé aucun : il n’y avait rien à supprimer. S’il s’agit de messages que vous avez écrits à une entreprise, adressez-vous à cette entreprise.
deletion-too-old = Cette demande est antérieure à la connexion de votre canal ; rien n’a donc été supprimé. Si vous souhaitez que le canal soit supprimé, veuillez renouveler votre demande.
deletion-connected-since = Ce que vous avez connecté depuis cette demande n’a pas été supprimé. Si vous souhaitez que cela le soit aussi, veuillez renouveler votre demande.
deletion-copies = Les copies de messages encore en chemin dans notre système sont rejetées quand vient leur tour, au plus tard après 7 jours. Votre entreprise peut supprimer dans DSK ce que DSK a déjà reçu.
deletion-unknown = Nous ne connaissons aucune suppression avec ce code, ou elle remonte à plus d’un an.

day =
    { $day } { $month ->
        [1] janvier
        [2] février
        [3] mars
        [4] avril
        [5] mai
        [6] juin
        [7] juillet
        [8] août
        [9] septembre
        [10] octobre
        [11] novembre
       *[12] décembre
    } { $year }
moment = { day }, { $time } UTC
