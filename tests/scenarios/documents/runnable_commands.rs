//! The commands in code blocks marked `sh runnable` work as the documents give them.

use std::path::Path;

use tempfile::TempDir;
use testkit::{Process, RabbitMq, Redis, eventually, free_port};

use crate::support::bodies::text;
use crate::support::stack::{Stack, program};
use crate::support::workspace::{read, root};

/// The marked blocks in a section of a document, one after the other.
fn runnable(document: &str, section: &str) -> String {
    let text = read(&root().join(document));
    let (_, text) = text.split_once(&format!("## {section}\n")).expect("the section exists");
    let text = text.split("\n## ").next().expect("it has a beginning");
    let blocks: Vec<&str> =
        text.split("```sh runnable\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "{document}, {section}: no block is marked runnable");
    blocks.join("\n")
}

fn shell(script: &str, folder: &Path, settings: &[(&'static str, String)]) -> Process {
    let programs = program("ops").parent().expect("it lies in a folder").display().to_string();
    let path = format!("{programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("PATH", &path));
    // Background processes of the script end with it.
    let script =
        format!("set -e\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\ncd '{}'\n{script}", folder.display());
    Process::start(Path::new("/bin/bash"), &["-c", &script], &settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through_in_the_readme_delivers_its_notification_once() {
    let broker = RabbitMq::shared().await;
    let redis = Redis::shared().await;
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink(root().join("docs"), folder.path().join("docs")).unwrap();
    let ingest = free_port();
    let dsk = free_port();
    // Other tests run at the same time, so this one has its own servers and ports; everything else is as written.
    let written = runnable("README.md", "Run it by hand");
    let script =
        written.replace("127.0.0.1:9100", &format!("127.0.0.1:{dsk}")).replace("127.0.0.1:9412", "127.0.0.1:0");
    let script = format!("{script}\nops webhook send docs/hello.json\nops topology\necho walked\nwait\n");
    let settings = [
        ("QUEUE_URL", broker.vhost().url()),
        ("CHANNELS_URL", redis.url()),
        ("CHANNELS_KEY_PREFIX", redis.prefix()),
        ("INGEST_LISTEN", format!("127.0.0.1:{ingest}")),
        ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("DSK_LISTEN", format!("127.0.0.1:{dsk}")),
        ("WEBHOOK_URL", format!("http://127.0.0.1:{ingest}/webhook")),
    ];

    let mut walk = shell(&script, folder.path(), &settings);
    walk.logs("walked").await;
    let delivered = || walk.logged().lines().filter(|line| line.ends_with("whatsapp.message attempt 1")).count();
    eventually("DSK has the event", async || (delivered() > 0).then_some(())).await;

    assert_eq!(delivered(), 1, "{}", walk.logged());
    walk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_section_about_one_machine_sets_it_up_and_delivers() {
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink(root().join("docs"), folder.path().join("docs")).unwrap();
    let ingest = free_port();
    let written = runnable("README.md", "One machine");
    // Other tests run at the same time, so this one has ports of its own; everything else is as written.
    let ports = format!("INGEST_LISTEN=127.0.0.1:{ingest} ADMIN_LISTEN=127.0.0.1:0");
    let script = written
        .replace("127.0.0.1:9100", &format!("127.0.0.1:{}", free_port()))
        .replace("ops standalone", &format!("{ports} ops standalone"));
    let dsk = script.split("--dsk-url http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
    let settings = [("DSK_LISTEN", dsk.to_owned()), ("WEBHOOK_URL", format!("http://127.0.0.1:{ingest}/webhook"))];

    let mut walk = shell(&format!("{script}\necho walked\nwait\n"), folder.path(), &settings);
    walk.logs("walked").await;
    let delivered = || walk.logged().lines().filter(|line| line.ends_with("whatsapp.message attempt 1")).count();
    eventually("DSK has the event", async || (delivered() > 0).then_some(())).await;

    assert_eq!(delivered(), 1, "{}", walk.logged());
    assert!(!walk.logged().contains(read(&folder.path().join("local/service/secrets/key-ring")).trim()));
    walk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_restore_drill_in_the_runbook_works_and_restores_a_lost_redis() {
    let mut stack = Stack::start().await;
    let folder = TempDir::new().unwrap();
    let settings = stack.ops_settings();

    let drill = runnable("ops/runbook.md", "Backup and restore");
    let mut walk = shell(&drill, folder.path(), &settings);
    assert!(walk.ends().await.success(), "{}", walk.logged());
    assert!(walk.logged().contains("Stored 1 record;"), "{}", walk.logged());

    stack.forget_everything().await;
    assert_eq!(stack.processes.post(text(1)).await, 200);
    let backup = folder.path().join("channels.backup");
    stack.ops(&["channels", "import", backup.to_str().unwrap()]).await;

    stack.processes.delivered(1).await;
    assert_eq!(stack.processes.dispatchers[0].stop().await, Some(0));
}
