//! The pages speak the language of their reader, from left to right or from right to left, without a cookie of their own.

use ops::graph::NUMBER;

use crate::support::browser::{Browser, Page};
use crate::support::chromium::Window;
use crate::support::connect_stack::ConnectStack;
use crate::support::page_checks::look;

const LANGUAGES: [&str; 10] = ["en", "de", "es", "pt", "fr", "it", "ru", "tr", "ar", "id"];

fn speaks(page: &Page, language: &str) -> bool {
    let direction = if language == "ar" { "rtl" } else { "ltr" };
    page.body.contains(&format!("<html lang=\"{language}\" dir=\"{direction}\">"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_the_browsers_language_or_the_one_that_they_choose_without_another_cookie() {
    let connect = ConnectStack::start().await;
    let link = connect.link("acme").await;
    let mut browser = Browser::new(&connect.address);
    browser.headers = vec![("accept-language", "nl, de-AT;q=0.9, en;q=0.5")];

    let asked = browser.get(&link).await;
    let chosen = browser.get(&format!("{link}?lang=tr")).await;
    assert!(speaks(&asked, "de") && asked.body.contains("Weiter"), "{asked:?}");
    assert!(speaks(&chosen, "tr") && chosen.body.contains("href=\"/privacy?lang=tr\""), "{chosen:?}");
    assert_eq!(browser.cookies_set, 0, "before there is a session");

    browser.post(&format!("{link}?lang=tr"), &[]).await;
    let channels = browser.get("/channels").await;
    assert!(speaks(&channels, "tr"), "{channels:?}");
    let changed = browser.get("/channels?lang=ar").await;
    let kept = browser.get("/whatsapp").await;
    assert!(speaks(&changed, "ar") && speaks(&kept, "ar"), "{kept:?}");
    let cookie = browser.set_cookie.clone().expect("it is set");
    assert!(cookie.starts_with("__Host-session=") && cookie.contains("~ar; Path=/; Max-Age=1800; Secure; HttpOnly"));

    let unknown = browser.get("/nowhere?lang=xx").await;
    assert!(unknown.status == 404 && speaks(&unknown, "ar"), "an error speaks it, too: {unknown:?}");
    let left = browser.post("/leave", &[]).await;
    assert_eq!(left.headers["location"], "/?lang=ar");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_given_once_offers_no_other_language() {
    let connect = ConnectStack::start().await;
    let mut browser = connect.begin("acme").await;

    let channels = browser.get("/channels").await;
    let connected = connect.sign_up(&mut browser).await;
    let returned = browser.get("/instagram/return?code=code-1&state=forged").await;

    assert!(channels.body.contains("?lang=de"), "{channels:?}");
    assert!(!connected.body.contains("?lang=") && !returned.body.contains("?lang="), "{connected:?} {returned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_look_right_in_every_language() {
    let connect = ConnectStack::start().await;
    let window = Window::begin(&connect, "Bakery & Sons").await;
    window.sign_up("Finish").await;
    window.is_at("Connected").await;
    window.log_in("Allow").await;
    window.is_at("Connected").await;
    connect.set(&format!("whatsapp:{NUMBER}"), "state", "reconnect_needed").await;

    for language in LANGUAGES {
        window.goto(&format!("/channels?lang={language}")).await;
        look(&window, &format!("language-{language}-channels")).await;
        window.goto("/whatsapp").await;
        look(&window, &format!("language-{language}-whatsapp")).await;
    }
    assert_eq!(window.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_reads_from_right_to_left_connects_and_disconnects_a_number() {
    let connect = ConnectStack::start().await;
    connect.graph.behave(|graph| graph.is_registered = false);
    let window = Window::open(&connect).await;

    window.goto(&connect.link("acme").await).await;
    window.press("العربية").await;
    window.is_at("ربط قنواتكم").await;
    look(&window, "arabic-begin").await;
    window.press("متابعة").await;
    window.is_at("قنواتكم").await;
    look(&window, "arabic-channels-none").await;
    window.press("ربط واتساب").await;
    window.is_at("ربط واتساب").await;
    window.press("المتابعة باستخدام فيسبوك").await;
    window.press_in_popup("Finish").await;
    window.is_at("تم الربط").await;
    look(&window, "arabic-connected-with-pin").await;
    window.press("العودة إلى قنواتكم").await;
    window.is_at("قنواتكم").await;
    window.press("فصل: +49 30 000000").await;
    window.is_at("هل تريدون فصل هذه القناة؟").await;
    look(&window, "arabic-disconnect").await;
    window.press("فصل").await;
    window.is_at("تم الفصل").await;
    look(&window, "arabic-disconnected").await;
    window.press("سياسة الخصوصية").await;
    window.is_at("سياسة الخصوصية").await;
    look(&window, "arabic-privacy").await;
    window.goto("/channels").await;
    window.press("إنهاء وتسجيل الخروج").await;
    window.is_at("هذه الصفحة تحتاج إلى رابط").await;

    let names: Vec<String> = window.cookies().await.iter().map(|cookie| cookie["name"].to_string()).collect();
    assert_eq!(names, Vec::<String>::new());
    assert_eq!(window.complaints().await, Vec::<String>::new());
}
