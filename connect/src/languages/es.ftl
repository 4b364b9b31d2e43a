# Español. Los nombres de los textos y sus variables son los mismos en todos los idiomas; una prueba los compara.

service = Canales para DSK
for-whom = Para el cliente de DSK { $tenant }
language-choice = Idioma

start-title = Esta página necesita un enlace
start = Para conectar un canal necesita un enlace de DSK. Ábralo allí, por favor.

begin-title = Conecte sus canales
begin = Aquí puede conectar un número de WhatsApp o una cuenta de Instagram para que sus mensajes lleguen a su equipo en DSK.
begin-check = Este enlace pertenece al cliente de DSK { $tenant }: los mensajes de lo que conecte le llegarán a ese cliente. Si no trabaja para { $tenant }, cierre esta página, por favor.
begin-cookie = Si continúa, guardamos una cookie que mantiene su sesión abierta durante { $minutes } minutos. No hay ninguna otra.
continue = Continuar

privacy-title = Política de privacidad
privacy-in-english = Este texto está en inglés.

link-title = Este enlace ya no funciona
link = Un enlace funciona una sola vez y durante poco tiempo. Pida uno nuevo en DSK y ábralo en este dispositivo, por favor.

session-title = Empiece de nuevo, por favor
session = Ha pasado demasiado tiempo, o esta página se abrió sin enlace. No se ha cambiado nada. Pida un enlace nuevo en DSK, por favor.

foreign-form-title = No lo hemos hecho
foreign-form = Otro sitio web lo pidió en su nombre, así que no hemos hecho nada. Si desea conectar un canal, abra usted mismo el enlace de DSK, por favor.

often-title = Demasiados intentos
often = Espere un minuto y vuelva a intentarlo, por favor.

not-found-title = Esta página no existe
not-found = Compruebe la dirección o vuelva a abrir el enlace de DSK, por favor.

store-title = Tenemos un problema
store = En este momento no podemos acceder a nuestro almacenamiento. No se ha cambiado nada. Vuelva a intentarlo en unos minutos, por favor.

channels-title = Sus canales
channels-none = Todavía no hay ningún canal conectado.
channels-none-what = ¿Qué desea conectar primero?
kind-whatsapp = Número de WhatsApp
kind-instagram = Cuenta de Instagram
kind-other = Canal
access-until = Acceso hasta el { $date }
state-connected = Conectado
state-reconnect = Acceso terminado
reconnect-why = Meta ya no nos da acceso, así que es posible que los mensajes no lleguen a DSK hasta que vuelva a conectar el canal.
reconnect = Volver a conectar
reconnect-named = Volver a conectar { $name }
add-title = Conectar otro canal
add-whatsapp = Conectar WhatsApp
add-instagram = Conectar Instagram
disconnect = Desconectar
disconnect-named = Desconectar { $name }
leave = Terminar y cerrar la sesión
back = Volver a sus canales

disconnect-title = ¿Desconectar este canal?
disconnect-ask = Borraremos nuestro acceso, y los mensajes nuevos ya no llegarán a DSK. Puede volver a conectarlo en cualquier momento.
disconnected-title = Desconectado
disconnected = Hemos borrado nuestro acceso al canal, y sus mensajes ya no llegan a DSK.
disconnected-still-subscribed = No pudimos avisar a Meta, así que es posible que nos siga enviando mensajes durante un tiempo; los descartamos. También puede quitar nuestra aplicación en su cuenta de Meta, en «Integraciones comerciales».
not-yours = Este canal no es suyo, o ya está desconectado.

whatsapp-title = Conectar WhatsApp
whatsapp = Meta le pedirá que inicie sesión con Facebook y que elija su cuenta comercial y su número.
whatsapp-loads = El inicio de sesión de Meta se carga solo cuando usted pulsa el botón. Meta conoce entonces su dirección IP y puede usar sus propias cookies.
whatsapp-popup = Se abrirá una ventana nueva. Permita las ventanas emergentes en esta página, por favor.
whatsapp-button = Continuar con Facebook
whatsapp-no-script = El inicio de sesión de Meta para WhatsApp necesita JavaScript. Permítalo en esta página y vuelva a cargarla, por favor.
whatsapp-loading = Un momento, se está cargando el inicio de sesión de Meta.
whatsapp-ready = El inicio de sesión de Meta está listo. Pulse el botón otra vez, por favor.
whatsapp-missing = El inicio de sesión de Meta no se ha cargado. Vuelva a intentarlo en un momento, por favor. Si no sirve, quizá su navegador lo bloquea: permita connect.facebook.net en esta página y vuelva a cargarla.
whatsapp-waiting = Un momento, estamos conectando su número.

connected-title = Conectado
connected = A partir de ahora, sus mensajes llegan a DSK. Puede cerrar esta página.
pin = El PIN de la verificación en dos pasos del número es ahora
pin-keep = Anótelo, por favor: WhatsApp lo pide si el número se registra de nuevo. Nosotros no lo guardamos.

cancelled-title = No conectado
cancelled = Salió antes del último paso. No se ha cambiado nada, y puede empezar de nuevo.
failed-title = No ha funcionado
try-again = Volver a intentarlo

failed-away = En este momento no podemos comunicarnos con Meta. No se ha cambiado nada. Vuelva a intentarlo en unos minutos, por favor.
failed-throttled = Meta nos pide una pausa. No se ha cambiado nada. Vuelva a intentarlo en una hora, por favor.
failed-token = Meta ya no acepta este inicio de sesión, que solo es válido unos segundos. No se ha cambiado nada. Empiece de nuevo, por favor.
failed-permission = Falta un permiso. No se ha cambiado nada. Empiece de nuevo y deje activados todos los permisos, por favor; necesita el control total de la cuenta comercial.
failed-refused = Meta lo ha rechazado. No se ha cambiado nada. Vuelva a intentarlo, por favor. Si no sirve, díganos a qué hora ocurrió.
failed-not-granted = Eligió una cuenta, pero no nos dio acceso a ella. No se ha cambiado nada. Empiece de nuevo, por favor.
failed-no-number = La cuenta todavía no tiene ningún número, o tiene varios y no eligió ninguno. Empiece de nuevo y elija un número, por favor.
failed-other-tenant = Este canal ya está conectado para otro cliente de DSK y primero debe desconectarse allí. No se ha cambiado nada.
failed-register = Meta no pudo registrar el número. Si tiene la verificación en dos pasos, desactívela en WhatsApp Manager y empiece de nuevo, por favor. Nada ha quedado conectado a medias.
failed-state = Esta respuesta de Instagram no corresponde a un inicio de sesión que usted empezó aquí. No se ha cambiado nada. Empiece de nuevo, por favor.

deletion-title = Eliminación de sus datos
deletion-code = Código de confirmación
deletion-asked = Solicitada
deletion-done-at = Terminada
deletion-pending = Sus canales y nuestro acceso a ellos se han eliminado. Los mensajes que se habían apartado se están eliminando; tarda alrededor de un minuto.
deletion-done = Sus canales, nuestro acceso a ellos y los mensajes que se habían apartado se han eliminado. Nada de ello se puede ya entregar ni mostrar.
deletion-found-nothing = Hemos buscado canales que usted tenga conectados, o que haya tenido conectados en los últimos 30 días, y no hemos encontrado ninguno: no había nada que eliminar. Si se trata de mensajes que ha escrito a una empresa, pregunte a esa empresa.
deletion-too-old = Esta solicitud es anterior a la conexión de su canal, por lo que no se ha eliminado nada. Si quiere que se elimine el canal, vuelva a solicitarlo.
deletion-connected-since = Lo que usted ha conectado después de esta solicitud no se ha eliminado. Si quiere que también se elimine, vuelva a solicitarlo.
deletion-copies = Las copias de mensajes que aún recorren nuestro sistema se descartan cuando les toca el turno, a más tardar a los 7 días. Su empresa puede eliminar en DSK lo que DSK ya ha recibido.
deletion-unknown = No conocemos ninguna eliminación con este código, o fue hace más de un año.

day =
    { $day } de { $month ->
        [1] enero
        [2] febrero
        [3] marzo
        [4] abril
        [5] mayo
        [6] junio
        [7] julio
        [8] agosto
        [9] septiembre
        [10] octubre
        [11] noviembre
       *[12] diciembre
    } de { $year }
moment = { day }, { $time } UTC
