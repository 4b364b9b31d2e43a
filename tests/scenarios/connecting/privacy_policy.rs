//! The privacy policy shows the figures of the software, and the operator can replace it by another text.

use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::connect_stack::ConnectStack;
use crate::support::stack::start_program;

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_shows_the_figures_that_the_software_uses() {
    let contact = "Example Ltd, privacy@example.com";
    let connect = ConnectStack::start_with(&[("TICKET_TIME", "90m"), ("PRIVACY_CONTACT", contact)]).await;
    let days = |time: Duration| time.as_secs() / (24 * 60 * 60);

    let page = Browser::new(&connect.address).get("/privacy").await;

    assert_eq!(page.status, 200);
    for statement in [
        "Privacy policy – ".to_owned(),
        "encrypted (Fernet)".to_owned(),
        contact.to_owned(),
        format!("waits with us, for {} days at most", days(queue::CLASS_TTL)),
        format!("for a person to look at, for {} days at most", days(queue::DEAD_TTL)),
        format!("without its content, for {} days", days(channels::DELIVERED_TIME)),
        format!("remembered for {} more days", days(channels::TOMBSTONE_TIME)),
        format!("remembered for {} days, without names, numbers or messages", days(channels::ERASURE_RECORD_TIME)),
        "kept in memory for 5 minutes at most".to_owned(),
        "works for 1h 30m".to_owned(),
        "for 30 minutes".to_owned(),
    ] {
        let text = text(&page.body);
        assert!(text.contains(&statement), "{statement:?} is not in {text}");
    }
    assert!(Browser::new(&connect.address).get("/").await.body.contains("href=\"/privacy\""), "no page links to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_own_policy_is_shown_instead_and_a_wrong_one_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.md");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "# Ours\n\nKept for {delivered_days} days.\n").unwrap();

    let connect = ConnectStack::start_with(&[("PRIVACY_POLICY_FILE", path)]).await;
    let page = Browser::new(&connect.address).get("/privacy").await;
    assert!(page.body.contains("<h1>Ours</h1>") && page.body.contains("Kept for 8 days."), "{page:?}");

    for (text, reason) in [("# Ours\n\n{weeks}\n", "names {weeks}, which is not one of {contact}"), ("", "is empty")] {
        std::fs::write(&file, text).unwrap();
        let settings = connect.settings_with("PRIVACY_POLICY_FILE", path);
        let mut process = start_program("connect", &settings);
        let status = process.ends().await;
        assert!(!status.success() && process.logged().contains(reason), "{}", process.logged());
    }
}

/// What Article 13 (and 14, for those who did not give their data themselves) wants said, and where the policy says it.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_answers_every_point_of_article_13_with_what_the_operator_fills_in() {
    let filled_in = [
        ("PRIVACY_CONTACT", "Example Ltd, 1 High Street, dpo@example.com"),
        ("PRIVACY_LEGAL_BASIS", "Article 6 (1) (b) of our own."),
        ("PRIVACY_RECIPIENTS", "Example Hosting GmbH runs our servers."),
        ("PRIVACY_TRANSFERS", "Our servers are in Nuremberg."),
        ("PRIVACY_BACKUPS", "for 30 days"),
        ("PRIVACY_LOGS", "for 14 days"),
        ("PRIVACY_AUTHORITY", "the authority of Bavaria"),
    ];
    let connect = ConnectStack::start_with(&filled_in).await;

    let page = text(&Browser::new(&connect.address).get("/privacy").await.body);

    for (heading, statement) in [
        ("Who is responsible", filled_in[0].1),
        ("What we process, and why", "decide nothing automatically"),
        ("Where the data comes from", "From Meta"),
        ("On which basis", filled_in[1].1),
        ("IP addresses", "Logs are kept for 14 days."),
        ("How long data is kept", "They are kept for 30 days."),
        ("Who receives data", filled_in[2].1),
        ("Other countries", filled_in[3].1),
        ("Cookies", "only when the person presses the button"),
        ("Your rights", "to the authority of Bavaria"),
        ("What has changed", "Version 6, 29 November 2026"),
    ] {
        let (_, section) = page.split_once(&format!("<h2>{heading}</h2>")).unwrap_or_else(|| panic!("no {heading}"));
        let section = section.split("<h2>").next().unwrap_or_default();
        assert!(section.contains(statement), "{statement:?} is not under {heading:?}: {section}");
    }
    assert!(page.contains("Version 6, of 29 November 2026."), "{page}");
    for right in ["copy of everything", "Withdraw", "Delete", "Correct, restrict, object", "Complain"] {
        assert!(page.contains(right), "{right}");
    }
    assert!(!page.contains("unconditional"), "no consent is unconditional");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_write_down_no_ip_address() {
    let connect = ConnectStack::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let mut browser = Browser::new(&connect.address);
    browser.headers = vec![("x-forwarded-for", "192.0.2.77")];

    browser.get(&connect.link("acme").await).await;
    let mut refused = 200;
    for _ in 0..200 {
        refused = browser.post("/leave", &[]).await.status;
        if refused == 429 {
            break;
        }
    }

    assert_eq!(refused, 429, "its address was not taken into account");
    let log = connect.logged_with("Refused a change", 1).await;
    assert!(!log.contains("192.0.2.77"), "{log}");
}

/// As it is read: without line breaks.
fn text(page: &str) -> String {
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}
