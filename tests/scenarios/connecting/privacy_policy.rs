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
        format!("remembered for {} days, without personal data", days(channels::ERASURE_RECORD_TIME)),
        "works for 1h 30m".to_owned(),
        "for 30 minutes".to_owned(),
    ] {
        let text = page.body.split_whitespace().collect::<Vec<_>>().join(" ");
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
