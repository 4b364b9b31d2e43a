# Português. Os nomes dos textos e as suas variáveis são os mesmos em todos os idiomas; um teste compara-os.

service = Canais para o DSK
for-whom = Para o cliente do DSK { $tenant }
language-choice = Idioma

start-title = Esta página precisa de um link
start = Para conectar um canal, você precisa de um link do DSK. Abra-o lá, por favor.

begin-title = Conecte os seus canais
begin = Aqui você conecta um número do WhatsApp ou uma conta do Instagram, para que as mensagens cheguem à sua equipe no DSK.
begin-check = Este link pertence ao cliente do DSK { $tenant }: as mensagens do que você conectar chegarão a esse cliente. Se você não trabalha para { $tenant }, feche esta página, por favor.
begin-cookie = Ao continuar, gravamos um cookie que mantém a sua sessão aberta aqui por { $minutes } minutos. Não há nenhum outro.
continue = Continuar

privacy-title = Política de privacidade
privacy-in-english = Este texto está em inglês.

link-title = Este link não funciona mais
link = Um link funciona uma única vez e por pouco tempo. Peça um novo no DSK e abra-o neste aparelho, por favor.

session-title = Comece de novo, por favor
session = Passou tempo demais, ou esta página foi aberta sem um link. Nada foi alterado. Peça um novo link no DSK, por favor.

foreign-form-title = Não fizemos isso
foreign-form = Outro site pediu isto em seu nome, por isso não fizemos nada. Se você quiser conectar um canal, abra você mesmo o link do DSK, por favor.

often-title = Tentativas demais
often = Espere um minuto e tente de novo, por favor.

not-found-title = Esta página não existe
not-found = Verifique o endereço ou abra de novo o link do DSK, por favor.

store-title = Temos um problema
store = No momento não conseguimos acessar o nosso armazenamento. Nada foi alterado. Tente de novo em alguns minutos, por favor.

channels-title = Seus canais
channels-none = Nenhum canal está conectado ainda.
channels-none-what = O que você gostaria de conectar primeiro?
kind-whatsapp = Número do WhatsApp
kind-instagram = Conta do Instagram
kind-other = Canal
access-until = Acesso até { $date }
state-connected = Conectado
state-reconnect = Acesso encerrado
reconnect-why = A Meta não nos dá mais acesso, por isso as mensagens podem não chegar ao DSK até que você reconecte o canal.
reconnect = Reconectar
reconnect-named = Reconectar { $name }
add-title = Conectar outro canal
add-whatsapp = Conectar o WhatsApp
add-instagram = Conectar o Instagram
disconnect = Desconectar
disconnect-named = Desconectar { $name }
leave = Concluir e sair
back = Voltar aos seus canais

disconnect-title = Desconectar este canal?
disconnect-ask = Vamos apagar o nosso acesso a ele, e as novas mensagens não chegarão mais ao DSK. Você pode conectá-lo de novo a qualquer momento.
disconnected-title = Desconectado
disconnected = Apagamos o nosso acesso ao canal, e as mensagens dele não chegam mais ao DSK.
disconnected-still-subscribed = Não conseguimos avisar a Meta, por isso ela pode continuar a nos enviar mensagens por algum tempo; nós as descartamos. Você também pode remover o nosso aplicativo na sua conta da Meta, em “Integrações comerciais”.
not-yours = Este canal não é seu, ou já está desconectado.

whatsapp-title = Conectar o WhatsApp
whatsapp = A Meta vai pedir que você entre com o Facebook e escolha a sua conta empresarial e o seu número.
whatsapp-loads = O login da Meta só é carregado quando você aperta o botão. A Meta passa então a conhecer o seu endereço IP e pode usar cookies próprios.
whatsapp-popup = Uma nova janela será aberta. Permita pop-ups nesta página, por favor.
whatsapp-button = Continuar com o Facebook
whatsapp-no-script = O login da Meta para o WhatsApp precisa de JavaScript. Permita-o nesta página e recarregue a página, por favor.
whatsapp-loading = Um momento, o login da Meta está sendo carregado.
whatsapp-ready = O login da Meta foi carregado. Aperte o botão mais uma vez, por favor.
whatsapp-missing = O login da Meta não foi carregado. Tente de novo em um instante, por favor. Se não adiantar, talvez o seu navegador o bloqueie: permita connect.facebook.net nesta página e recarregue a página.
whatsapp-waiting = Um momento, estamos conectando o seu número.

connected-title = Conectado
connected = A partir de agora, as mensagens chegam ao DSK. Você pode fechar esta página.
pin = O PIN da confirmação em duas etapas do número agora é
pin-keep = Anote-o, por favor: o WhatsApp o pede se o número for registrado de novo. Nós não o guardamos.

cancelled-title = Não conectado
cancelled = Você saiu antes da última etapa. Nada foi alterado, e você pode começar de novo.
failed-title = Não funcionou
try-again = Tentar de novo

failed-away = No momento não conseguimos falar com a Meta. Nada foi alterado. Tente de novo em alguns minutos, por favor.
failed-throttled = A Meta nos pede uma pausa. Nada foi alterado. Tente de novo em uma hora, por favor.
failed-token = A Meta não aceita mais este login, que vale por apenas alguns segundos. Nada foi alterado. Comece de novo, por favor.
failed-permission = Falta uma permissão. Nada foi alterado. Comece de novo e deixe todas as permissões ativadas, por favor; você precisa ter controle total da conta empresarial.
failed-refused = A Meta recusou. Nada foi alterado. Tente de novo, por favor. Se não adiantar, diga-nos a que horas aconteceu.
failed-not-granted = Você escolheu uma conta, mas não nos deu acesso a ela. Nada foi alterado. Comece de novo, por favor.
failed-no-number = A conta ainda não tem um número, ou tem vários e você não escolheu nenhum. Comece de novo e escolha um número, por favor.
failed-other-tenant = Este canal já está conectado para outro cliente do DSK e precisa ser desconectado lá primeiro. Nada foi alterado.
failed-register = A Meta não conseguiu registrar o número. Se ele tiver a confirmação em duas etapas, desative-a no WhatsApp Manager e comece de novo, por favor. Nada ficou conectado pela metade.
failed-state = Esta resposta do Instagram não pertence a um login que você começou aqui. Nada foi alterado. Comece de novo, por favor.

deletion-title = Exclusão dos seus dados
deletion-code = Código de confirmação
deletion-asked = Solicitada
deletion-done-at = Concluída
deletion-pending = Os seus canais e o nosso acesso a eles foram excluídos. As mensagens que tinham sido separadas estão sendo excluídas, o que leva cerca de um minuto.
deletion-done = Os seus canais, o nosso acesso a eles e as mensagens que tinham sido separadas foram excluídos. Nada disso pode mais ser entregue ou mostrado.
deletion-found-nothing = Procuramos canais que você tenha conectado, ou que estiveram conectados nos últimos 30 dias, e não encontramos nenhum: não havia nada para excluir. Se você procura mensagens que escreveu a uma empresa, pergunte a essa empresa.
deletion-too-old = Esta solicitação é anterior à conexão do seu canal; por isso, nada foi excluído. Se quiser que o canal seja excluído, solicite novamente.
deletion-connected-since = O que você conectou depois desta solicitação não foi excluído. Se quiser que isso também seja excluído, solicite novamente.
deletion-copies = Cópias de mensagens que ainda estão a caminho no nosso sistema são descartadas quando chega a vez delas, em 7 dias no máximo. A sua empresa pode excluir no DSK o que o DSK já recebeu.
deletion-unknown = Não conhecemos nenhuma exclusão com este código, ou ela foi há mais de um ano.

day =
    { $day } de { $month ->
        [1] janeiro
        [2] fevereiro
        [3] março
        [4] abril
        [5] maio
        [6] junho
        [7] julho
        [8] agosto
        [9] setembro
        [10] outubro
        [11] novembro
       *[12] dezembro
    } de { $year }
moment = { day }, { $time } UTC
