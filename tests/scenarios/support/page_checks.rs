//! Checks of a page in both sizes and colour schemes: nothing is cut off, finger and keyboard reach everything, and
//! axe-core finds nothing serious. Pictures of it go to `target/screenshots`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::chromium::Window;
use crate::support::workspace::{read, root};

/// A window's size, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    name: &'static str,
    width: u32,
    height: u32,
}

pub(crate) const PHONE: Size = Size { name: "phone", width: 390, height: 844 };
pub(crate) const DESKTOP: Size = Size { name: "desktop", width: 1280, height: 900 };

/// Lists what is wrong with the layout. A finger needs 44 px for a button, and 24 px for a link that is not part of a
/// sentence (WCAG 2.5.5 and 2.5.8).
const LAYOUT: &str = r#"
const isInText = (control) => control.matches("p a, li > a, td a");
const found = [], root = document.documentElement;
if (root.scrollWidth > root.clientWidth) found.push(`scrolls sideways: ${root.scrollWidth} px`);
if (document.querySelectorAll("h1").length !== 1) found.push("has no h1, or several");
for (const control of document.querySelectorAll("a, button")) {
  const name = control.innerText;
  control.scrollIntoView({ block: "center", behavior: "instant" });
  const box = control.getBoundingClientRect();
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  if (!control.contains(top)) found.push(`${name}: can't be reached`);
  if (box.left < 0 || box.right > root.clientWidth) found.push(`${name}: sticks out`);
  const needed = control.matches("button, .button") ? 44 : isInText(control) ? 0 : 24;
  if (box.height < needed) found.push(`${name}: ${box.height} px high`);
}
for (const text of document.querySelectorAll("main *, footer *")) {
  if (!text.checkVisibility()) continue;
  if (parseFloat(getComputedStyle(text).fontSize) < 14) found.push(`small: ${text.innerText}`);
  if (text.clientWidth > 0 && text.scrollWidth > text.clientWidth + 1) found.push(`cut off: ${text.innerText}`);
}
scrollTo({ top: 0, behavior: "instant" });
return found;
"#;

/// Lists what the keyboard must reach.
const CONTROLS: &str = r#"
const controls = "a, button, input:not([type=hidden]), select, textarea, summary";
return [...document.querySelectorAll(controls)].map((control) => control.innerText);
"#;

/// Names the element that has the focus, if a person can see that it has.
const FOCUS: &str = r#"
const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
const isSeen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
return isSeen ? document.activeElement.innerText : `${document.activeElement.tagName} without an outline`;
"#;

/// Lists the problems that axe-core calls serious or critical.
const AXE: &str = r#"
const [done] = arguments;
axe.run(document, { preload: false, resultTypes: ["violations"] }).then(({ violations }) => {
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  done(grave.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`));
}, (error) => done([String(error)]));
"#;

/// Checks the page in every way, and stores its pictures under that name.
pub(crate) async fn look(window: &Window, name: &str) {
    window.run(&axe()).await;
    for size in [PHONE, DESKTOP] {
        for scheme in ["light", "dark"] {
            show(window, size, scheme).await;
            let view = format!("{name}-{}-{scheme}", size.name);
            let layout = window.run(LAYOUT).await;
            assert_eq!(layout, json!([]), "{view}");
            picture(window, size, &view).await;
            if size == PHONE {
                assert_eq!(window.run_to_end(AXE).await, json!([]), "{view}");
            }
        }
    }
    walk(window, name).await;
}

/// Gives the window that size.
pub(crate) async fn resize(window: &Window, size: Size) {
    let Size { width, height, .. } = size;
    let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE });
    window.command("Emulation.setDeviceMetricsOverride", metrics).await;
}

async fn show(window: &Window, size: Size, scheme: &str) {
    resize(window, size).await;
    let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    window.command("Emulation.setEmulatedMedia", scheme).await;
}

/// Walks through the page by keyboard.
async fn walk(window: &Window, name: &str) {
    let controls = window.run(CONTROLS).await;
    window.run("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')").await;
    let mut reached = Vec::new();
    for _ in 0..controls.as_array().map_or(0, Vec::len) {
        window.tab().await;
        reached.push(window.run(FOCUS).await);
    }
    assert_eq!(Value::Array(reached), controls, "{name}: the keyboard does not reach its controls in their order");
}

/// Stores a picture of the whole page, or of the window if that is larger.
async fn picture(window: &Window, size: Size, name: &str) {
    let height = window.run("return document.documentElement.scrollHeight").await.as_u64().unwrap_or_default();
    let clip = json!({
        "x": 0, "y": 0, "width": size.width, "height": height.max(u64::from(size.height)), "scale": 1,
    });
    let options = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
    let answer = window.command("Page.captureScreenshot", options).await;
    let bytes = STANDARD.decode(answer["data"].as_str().unwrap_or_default()).expect("a picture in base64");
    let folder = root().join("target/screenshots");
    std::fs::create_dir_all(&folder).expect("target can be written");
    std::fs::write(folder.join(format!("{name}.png")), bytes).expect("target can be written");
}

/// The script of the version that `ops/test.sh` fetches.
fn axe() -> String {
    let script = read(&root().join("ops/test.sh"));
    let version =
        script.lines().find_map(|line| line.strip_prefix("axe_version=")).expect("ops/test.sh names the version");
    let path = root().join(format!("target/axe-core-{version}/package/axe.min.js"));
    std::fs::read_to_string(&path).unwrap_or_else(|_| {
        let folder = format!("target/axe-core-{version}");
        panic!(
            "axe-core is missing. ops/test.sh fetches it; by hand: mkdir -p {folder} && (cd {folder} && \
             npm pack axe-core@{version} && tar -xzf axe-core-{version}.tgz)"
        )
    })
}
