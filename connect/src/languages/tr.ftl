# Türkçe. Metinlerin adları ve değişkenleri bütün dillerde aynıdır; bir test onları karşılaştırır.

service = DSK için kanallar
for-whom = DSK müşterisi { $tenant } için
language-choice = Dil

start-title = Bu sayfa için bir bağlantı gerekir
start = Bir kanal bağlamak için DSK’dan bir bağlantıya ihtiyacınız var. Lütfen bağlantıyı orada açın.

begin-title = Kanallarınızı bağlayın
begin = Burada bir WhatsApp numarasını veya bir Instagram hesabını bağlarsınız; böylece mesajlar DSK’daki ekibinize ulaşır.
begin-check = Bu bağlantı şu DSK müşterisine aittir: { $tenant }. Bağladığınız kanalın mesajları bu müşteriye ulaşır. { $tenant } için çalışmıyorsanız lütfen bu sayfayı kapatın.
begin-cookie = Devam ederseniz, oturumunuzu burada { $minutes } dakika açık tutan tek bir çerez kaydederiz. Başka çerez yoktur.
continue = Devam et

privacy-title = Gizlilik politikası
privacy-in-english = Bu metin İngilizcedir.

link-title = Bu bağlantı artık geçerli değil
link = Bir bağlantı yalnızca bir kez ve kısa bir süre geçerlidir. Lütfen DSK’dan yeni bir bağlantı alın ve bu cihazda açın.

session-title = Lütfen yeniden başlayın
session = Çok uzun süre ara verdiniz veya bu sayfa bağlantı olmadan açıldı. Hiçbir şey değiştirilmedi. Lütfen DSK’dan yeni bir bağlantı alın.

foreign-form-title = Bunu yapmadık
foreign-form = Başka bir site bunu sizin adınıza istedi, bu yüzden hiçbir şey yapmadık. Bir kanal bağlamak istiyorsanız lütfen DSK’daki bağlantıyı kendiniz açın.

often-title = Çok fazla deneme
often = Lütfen bir dakika bekleyip yeniden deneyin.

not-found-title = Böyle bir sayfa yok
not-found = Lütfen adresi kontrol edin veya DSK’daki bağlantıyı yeniden açın.

store-title = Bir sorunumuz var
store = Şu anda depomuza ulaşamıyoruz. Hiçbir şey değiştirilmedi. Lütfen birkaç dakika sonra yeniden deneyin.

channels-title = Kanallarınız
channels-none = Henüz bağlı bir kanal yok.
channels-none-what = Önce neyi bağlamak istersiniz?
kind-whatsapp = WhatsApp numarası
kind-instagram = Instagram hesabı
kind-other = Kanal
access-until = Erişimin bitişi: { $date }
state-connected = Bağlı
state-reconnect = Erişim sona erdi
reconnect-why = Meta artık bize erişim vermiyor. Kanalı yeniden bağlayana kadar mesajlar DSK’ya ulaşmayabilir.
reconnect = Yeniden bağla
reconnect-named = Yeniden bağla: { $name }
add-title = Başka bir kanal bağlayın
add-whatsapp = WhatsApp’ı bağla
add-instagram = Instagram’ı bağla
disconnect = Bağlantıyı kes
disconnect-named = Bağlantıyı kes: { $name }
leave = Bitir ve oturumu kapat
back = Kanallarınıza geri dön

disconnect-title = Bu kanalın bağlantısı kesilsin mi?
disconnect-ask = Kanala erişimimizi sileriz ve yeni mesajlar artık DSK’ya ulaşmaz. İstediğiniz zaman yeniden bağlayabilirsiniz.
disconnected-title = Bağlantı kesildi
disconnected = Kanala erişimimizi sildik; mesajları artık DSK’ya ulaşmıyor.
disconnected-still-subscribed = Meta’ya haber veremedik, bu yüzden Meta bir süre daha bize mesaj gönderebilir; bunları atıyoruz. Uygulamamızı Meta hesabınızda “İşletme Entegrasyonları” bölümünden de kaldırabilirsiniz.
not-yours = Bu kanal size ait değil veya bağlantısı zaten kesilmiş.

whatsapp-title = WhatsApp’ı bağlayın
whatsapp = Meta sizden Facebook ile giriş yapmanızı, işletme hesabınızı ve numaranızı seçmenizi isteyecek.
whatsapp-loads = Meta’nın giriş ekranı yalnızca düğmeye bastığınızda Meta’dan yüklenir. Meta o zaman IP adresinizi öğrenir ve kendi çerezlerini kullanabilir.
whatsapp-popup = Yeni bir pencere açılır. Lütfen bu sayfa için açılır pencerelere izin verin.
whatsapp-button = Facebook ile devam et
whatsapp-no-script = Meta’nın WhatsApp girişi için JavaScript gerekir. Lütfen bu sayfa için izin verin ve sayfayı yeniden yükleyin.
whatsapp-loading = Bir dakika, Meta’nın giriş ekranı yükleniyor.
whatsapp-ready = Meta’nın giriş ekranı yüklendi. Lütfen düğmeye bir kez daha basın.
whatsapp-missing = Meta’nın giriş ekranı yüklenmedi. Lütfen biraz sonra yeniden deneyin. İşe yaramazsa tarayıcınız onu engelliyor olabilir: bu sayfa için connect.facebook.net adresine izin verin ve sayfayı yeniden yükleyin.
whatsapp-waiting = Bir dakika, numaranızı bağlıyoruz.

connected-title = Bağlandı
connected = Bundan sonra mesajlar DSK’ya ulaşır. Bu sayfayı kapatabilirsiniz.
pin = Numaranın iki adımlı doğrulama PIN’i artık
pin-keep = Lütfen bir yere yazın: numara yeniden kaydedilirse WhatsApp bunu sorar. Biz saklamıyoruz.

cancelled-title = Bağlanmadı
cancelled = Son adımdan önce çıktınız. Hiçbir şey değiştirilmedi; yeniden başlayabilirsiniz.
failed-title = Olmadı
try-again = Yeniden dene

failed-away = Şu anda Meta’ya ulaşamıyoruz. Hiçbir şey değiştirilmedi. Lütfen birkaç dakika sonra yeniden deneyin.
failed-throttled = Meta bizden ara vermemizi istiyor. Hiçbir şey değiştirilmedi. Lütfen bir saat sonra yeniden deneyin.
failed-token = Meta bu girişi artık kabul etmiyor; giriş yalnızca birkaç saniye geçerlidir. Hiçbir şey değiştirilmedi. Lütfen yeniden başlayın.
failed-permission = Bir izin eksik. Hiçbir şey değiştirilmedi. Lütfen yeniden başlayın ve bütün izinleri açık bırakın; işletme hesabı üzerinde tam kontrolünüz olmalıdır.
failed-refused = Meta reddetti. Hiçbir şey değiştirilmedi. Lütfen yeniden deneyin. İşe yaramazsa bize bunun saat kaçta olduğunu bildirin.
failed-not-granted = Bir hesap seçtiniz ama bize ona erişim vermediniz. Hiçbir şey değiştirilmedi. Lütfen yeniden başlayın.
failed-no-number = Hesabın henüz bir numarası yok veya birkaç numarası var ve siz birini seçmediniz. Lütfen yeniden başlayın ve bir numara seçin.
failed-other-tenant = Bu kanal zaten başka bir DSK müşterisi için bağlı ve önce orada bağlantısı kesilmelidir. Hiçbir şey değiştirilmedi.
failed-register = Meta numarayı kaydedemedi. Numarada iki adımlı doğrulama varsa lütfen bunu WhatsApp Manager’da kapatın ve yeniden başlayın. Hiçbir şey yarım bağlı kalmadı.
failed-state = Instagram’dan gelen bu yanıt, burada başlattığınız bir girişe ait değil. Hiçbir şey değiştirilmedi. Lütfen yeniden başlayın.

deletion-title = Verilerinizin silinmesi
deletion-code = Onay kodu
deletion-asked = İstendi
deletion-done-at = Tamamlandı
deletion-pending = Kanallarınız ve onlara erişimimiz silindi. Kenara ayrılmış mesajlar siliniyor; bu yaklaşık bir dakika sürer.
deletion-done = Kanallarınız, onlara erişimimiz ve kenara ayrılmış mesajlar silindi. Bunların hiçbiri artık teslim edilemez veya gösterilemez.
deletion-found-nothing = Bağladığınız veya son 30 gün içinde bağlı olan kanalları aradık ve hiçbirini bulamadık: silinecek bir şey yoktu. Bir işletmeye yazdığınız mesajları arıyorsanız lütfen o işletmeye sorun.
deletion-too-old = Bu istek, kanalınızın bağlanmasından daha eski; bu nedenle hiçbir şey silinmedi. Kanalın silinmesini istiyorsanız lütfen isteği yeniden gönderin.
deletion-connected-since = Bu istekten sonra bağladıklarınız silinmedi. Bunların da silinmesini istiyorsanız lütfen isteği yeniden gönderin.
deletion-copies = Sistemimizde hâlâ yolda olan mesaj kopyaları, sıraları gelince, en geç 7 gün sonra atılır. İşletmeniz, DSK’nın zaten aldığı verileri DSK’da silebilir.
deletion-unknown = Bu kodla bir silme işlemi bilmiyoruz veya üzerinden bir yıldan fazla geçti.

day =
    { $day } { $month ->
        [1] Ocak
        [2] Şubat
        [3] Mart
        [4] Nisan
        [5] Mayıs
        [6] Haziran
        [7] Temmuz
        [8] Ağustos
        [9] Eylül
        [10] Ekim
        [11] Kasım
       *[12] Aralık
    } { $year }
moment = { day }, { $time } UTC
