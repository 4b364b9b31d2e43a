# Bahasa Indonesia. Nama teks dan variabelnya sama dalam semua bahasa; sebuah tes membandingkannya.

service = Kanal untuk DSK
for-whom = Untuk pelanggan DSK { $tenant }
language-choice = Bahasa

start-title = Halaman ini memerlukan tautan
start = Untuk menghubungkan kanal, Anda memerlukan tautan dari DSK. Silakan buka tautan itu di sana.

begin-title = Hubungkan kanal Anda
begin = Di sini Anda menghubungkan nomor WhatsApp atau akun Instagram, agar pesannya sampai ke tim Anda di DSK.
begin-check = Tautan ini milik pelanggan DSK { $tenant }: pesan dari yang Anda hubungkan akan sampai ke pelanggan itu. Jika Anda tidak bekerja untuk { $tenant }, silakan tutup halaman ini.
begin-cookie = Jika Anda melanjutkan, kami menyimpan satu cookie agar Anda tetap masuk di sini selama { $minutes } menit. Tidak ada yang lain.
continue = Lanjutkan

privacy-title = Kebijakan privasi
privacy-in-english = Teks ini dalam bahasa Inggris.

link-title = Tautan ini tidak berlaku lagi
link = Tautan hanya berlaku sekali dan hanya untuk waktu singkat. Silakan minta yang baru di DSK dan buka di perangkat ini.

session-title = Silakan mulai lagi
session = Anda terlalu lama pergi, atau halaman ini dibuka tanpa tautan. Tidak ada yang diubah. Silakan minta tautan baru di DSK.

foreign-form-title = Kami tidak melakukannya
foreign-form = Situs lain meminta ini atas nama Anda, jadi kami tidak melakukan apa pun. Jika Anda ingin menghubungkan kanal, silakan buka sendiri tautan dari DSK.

often-title = Terlalu banyak percobaan
often = Silakan tunggu satu menit, lalu coba lagi.

not-found-title = Halaman ini tidak ada
not-found = Silakan periksa alamatnya, atau buka lagi tautan dari DSK.

store-title = Ada masalah di pihak kami
store = Saat ini kami tidak dapat mengakses penyimpanan kami. Tidak ada yang diubah. Silakan coba lagi dalam beberapa menit.

channels-title = Kanal Anda
channels-none = Belum ada kanal yang terhubung.
channels-none-what = Apa yang ingin Anda hubungkan terlebih dahulu?
kind-whatsapp = Nomor WhatsApp
kind-instagram = Akun Instagram
kind-other = Kanal
access-until = Akses sampai { $date }
state-connected = Terhubung
state-reconnect = Akses berakhir
reconnect-why = Meta tidak lagi memberi kami akses, jadi pesan mungkin tidak sampai ke DSK sampai Anda menghubungkan ulang kanal ini.
reconnect = Hubungkan ulang
reconnect-named = Hubungkan ulang { $name }
add-title = Hubungkan kanal lain
add-whatsapp = Hubungkan WhatsApp
add-instagram = Hubungkan Instagram
disconnect = Putuskan
disconnect-named = Putuskan { $name }
leave = Selesai dan keluar
back = Kembali ke kanal Anda

disconnect-title = Putuskan kanal ini?
disconnect-ask = Kami akan menghapus akses kami ke kanal ini, dan pesan baru tidak akan lagi sampai ke DSK. Anda dapat menghubungkannya lagi kapan saja.
disconnected-title = Terputus
disconnected = Kami telah menghapus akses kami ke kanal ini, dan pesannya tidak lagi sampai ke DSK.
disconnected-still-subscribed = Kami tidak dapat memberi tahu Meta, jadi Meta mungkin masih mengirimi kami pesan untuk sementara; pesan itu kami buang. Anda juga dapat menghapus aplikasi kami di akun Meta Anda, di bagian “Integrasi Bisnis”.
not-yours = Kanal ini bukan milik Anda, atau sudah diputuskan.

whatsapp-title = Hubungkan WhatsApp
whatsapp = Meta akan meminta Anda masuk dengan Facebook, lalu memilih akun bisnis dan nomor Anda.
whatsapp-loads = Login Meta baru dimuat dari Meta ketika Anda menekan tombol. Saat itu Meta mengetahui alamat IP Anda dan mungkin memakai cookie miliknya sendiri.
whatsapp-popup = Jendela baru akan terbuka. Silakan izinkan pop-up untuk halaman ini.
whatsapp-button = Lanjutkan dengan Facebook
whatsapp-no-script = Login Meta untuk WhatsApp memerlukan JavaScript. Silakan izinkan untuk halaman ini, lalu muat ulang halaman.
whatsapp-loading = Mohon tunggu, login Meta sedang dimuat.
whatsapp-ready = Login Meta sudah dimuat. Silakan tekan tombol sekali lagi.
whatsapp-missing = Login Meta tidak dapat dimuat. Silakan coba lagi sebentar lagi. Jika tidak berhasil, mungkin peramban Anda memblokirnya: izinkan connect.facebook.net untuk halaman ini, lalu muat ulang halaman.
whatsapp-waiting = Mohon tunggu, kami sedang menghubungkan nomor Anda.

connected-title = Terhubung
connected = Mulai sekarang, pesannya sampai ke DSK. Anda dapat menutup halaman ini.
pin = PIN verifikasi dua langkah nomor ini sekarang adalah
pin-keep = Silakan catat: WhatsApp akan menanyakannya jika nomor ini didaftarkan lagi. Kami tidak menyimpannya.

cancelled-title = Tidak terhubung
cancelled = Anda keluar sebelum langkah terakhir. Tidak ada yang diubah, dan Anda dapat mulai lagi.
failed-title = Tidak berhasil
try-again = Coba lagi

failed-away = Saat ini kami tidak dapat menjangkau Meta. Tidak ada yang diubah. Silakan coba lagi dalam beberapa menit.
failed-throttled = Meta meminta kami berhenti sejenak. Tidak ada yang diubah. Silakan coba lagi dalam satu jam.
failed-token = Meta tidak lagi menerima login ini, yang hanya berlaku beberapa detik. Tidak ada yang diubah. Silakan mulai lagi.
failed-permission = Ada izin yang kurang. Tidak ada yang diubah. Silakan mulai lagi dan biarkan semua izin aktif; Anda memerlukan kendali penuh atas akun bisnis.
failed-refused = Meta menolak. Tidak ada yang diubah. Silakan coba lagi. Jika tidak berhasil, beri tahu kami pukul berapa hal itu terjadi.
failed-not-granted = Anda memilih akun, tetapi tidak memberi kami akses ke akun itu. Tidak ada yang diubah. Silakan mulai lagi.
failed-no-number = Akun ini belum memiliki nomor, atau memiliki beberapa dan Anda tidak memilih satu pun. Silakan mulai lagi dan pilih nomor.
failed-other-tenant = Kanal ini sudah terhubung untuk pelanggan DSK lain, dan harus diputuskan di sana terlebih dahulu. Tidak ada yang diubah.
failed-register = Meta tidak dapat mendaftarkan nomor ini. Jika verifikasi dua langkahnya aktif, silakan nonaktifkan di WhatsApp Manager, lalu mulai lagi. Tidak ada yang terhubung setengah jalan.
failed-state = Jawaban dari Instagram ini bukan milik login yang Anda mulai di sini. Tidak ada yang diubah. Silakan mulai lagi.

deletion-title = Penghapusan data Anda
deletion-code = Kode konfirmasi
deletion-asked = Diminta
deletion-done-at = Selesai
deletion-pending = Kanal Anda dan akses kami ke kanal itu telah dihapus. Pesan yang disisihkan sedang dihapus, yang memakan waktu sekitar satu menit.
deletion-done = Kanal Anda, akses kami ke kanal itu, dan pesan yang disisihkan telah dihapus. Tidak satu pun yang masih dapat dikirim atau ditampilkan.
deletion-found-nothing = Kami mencari kanal yang Anda hubungkan, atau yang terhubung dalam 30 hari terakhir, dan tidak menemukan satu pun: tidak ada yang perlu dihapus. Jika Anda mencari pesan yang Anda tulis kepada sebuah bisnis, silakan tanyakan kepada bisnis tersebut.
deletion-too-old = Permintaan ini lebih lama daripada penghubungan kanal Anda, sehingga tidak ada yang dihapus. Jika Anda ingin kanal itu dihapus, silakan minta sekali lagi.
deletion-connected-since = Apa yang Anda hubungkan setelah permintaan ini tidak dihapus. Jika Anda ingin itu juga dihapus, silakan minta sekali lagi.
deletion-copies = Salinan pesan yang masih dalam perjalanan melalui sistem kami dibuang saat gilirannya tiba, paling lambat setelah 7 hari. Bisnis Anda dapat menghapus di DSK apa yang sudah diterima DSK.
deletion-unknown = Kami tidak mengetahui penghapusan dengan kode ini, atau sudah lebih dari setahun yang lalu.

day =
    { $day } { $month ->
        [1] Januari
        [2] Februari
        [3] Maret
        [4] April
        [5] Mei
        [6] Juni
        [7] Juli
        [8] Agustus
        [9] September
        [10] Oktober
        [11] November
       *[12] Desember
    } { $year }
moment = { day }, { $time } UTC
