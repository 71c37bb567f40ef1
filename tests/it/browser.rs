//! Reports and pictures in a real browser: what it loads, what its console says, what the page's policy refuses.

use crate::product::{function, given, job, pipeline, pipeline_with};
use crate::scratch;
use bunsui_test_support::{Scratch, repository};
use serde_json::Value as Json;
use std::process::{Command, Stdio};

/// Chromium's name, if it is installed. Where `CI` is set it has to be.
fn chromium() -> Option<&'static str> {
    let is_there = |name: &&str| {
        let version =
            Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_there);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "there is no chromium: apt-get install chromium");
        eprintln!("NOT CHECKED: there is no chromium");
    }
    found
}

/// What a browser does with a file, with the value of an expression in it.
#[track_caller]
fn look(chromium: &str, scratch: &Scratch, file: &str, arguments: &[&str]) -> Json {
    let output = Command::new("node")
        .arg(repository().join("tests/browser/look.mjs"))
        .args([chromium, file])
        .args(arguments)
        .current_dir(scratch.directory())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// The file alone was loaded, and nothing was said or refused.
#[track_caller]
fn assert_quiet(seen: &Json) {
    let requests = seen["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 1, "{seen}");
    for what in ["console", "issues", "dialogs"] {
        assert_eq!(seen[what], serde_json::json!([]), "{seen}");
    }
}

/// What has to hold in every report; gives what does not.
const CHECK: &str = r##"(() => {
    const wrong = [];
    const all = (selector) => [...document.querySelectorAll(selector)];
    for (const one of ["header", "nav", "main", "footer"]) if (all(one).length !== 1) wrong.push(`${one}: ${all(one).length}`);
    if (all("h1").length !== 1) wrong.push("h1");
    let last = 1;
    for (const heading of all("h1, h2, h3, h4")) {
        const level = Number(heading.tagName[1]);
        if (level > last + 1) wrong.push(`after h${last} comes ${heading.outerHTML}`);
        last = level;
    }
    for (const link of all("a")) {
        const id = link.getAttribute("href").slice(1);
        if (!document.getElementById(id)) wrong.push(`#${id} leads nowhere`);
        if (!(link.textContent.trim() || link.getAttribute("aria-label"))) wrong.push(`${link.outerHTML} says nothing`);
    }
    for (const table of all("table")) if (!table.querySelector("th[scope]")) wrong.push("a table without headers");
    for (const svg of all("svg")) {
        if (!svg.hasAttribute("aria-label") && svg.getAttribute("aria-hidden") !== "true") wrong.push("a picture without words");
    }
    for (const one of all("[onerror], [onload], [onclick], [style], script, img, iframe, object, embed")) wrong.push(one.outerHTML);
    if (document.documentElement.scrollWidth > innerWidth) wrong.push(`wider than its window: ${document.documentElement.scrollWidth}`);
    const colour = (text) => {
        const [r, g, b, seen = 1] = text.match(/[\d.]+/g).map(Number);
        return [...[r, g, b].map((part) => (text.startsWith("color(") ? part * 255 : part)), seen];
    };
    const over = ([r, g, b, seen], below) => [r, g, b].map((part, at) => part * seen + below[at] * (1 - seen));
    // What is behind a text: all that its elements are filled with, the outermost below.
    const behind = (one) => {
        const below = one.parentElement ? behind(one.parentElement) : [255, 255, 255];
        return over(colour(getComputedStyle(one).backgroundColor), below);
    };
    const ratio = (one, other) => {
        const light = (rgb) => {
            const [r, g, b] = rgb.slice(0, 3).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const paper = behind(document.body);
    const saysSomething = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
    for (const one of document.body.querySelectorAll("*")) {
        if (one.closest("svg") || ![...one.childNodes].some(saysSomething)) continue;
        if (ratio(colour(getComputedStyle(one).color), behind(one)) < 4.5) wrong.push(`too faint: ${one.outerHTML.slice(0, 80)}`);
    }
    const fill = (one) => colour(getComputedStyle(one).fill);
    for (const text of all(".timeline text")) {
        const ground = text.matches(".number") ? fill(text.parentElement.querySelector("rect:not(.waiting, .delay)")) : paper;
        if (ratio(fill(text), ground) < 4.5) wrong.push(`too faint: ${text.outerHTML}`);
    }
    for (const bar of all(".timeline rect:not(.waiting, .delay), .bars rect")) {
        if (ratio(fill(bar), paper) < 3) wrong.push(`too faint: ${bar.outerHTML}`);
    }
    for (const one of all("[tabindex]")) if (!["0", "-1"].includes(one.getAttribute("tabindex"))) wrong.push(one.outerHTML.slice(0, 80));
    for (const one of all(".scroll, pre")) {
        const isWide = one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight;
        if (isWide && !one.closest("details") && !(one.tabIndex === 0 && one.getAttribute("aria-label"))) wrong.push(`keys do not scroll it: ${one.outerHTML.slice(0, 80)}`);
    }
    for (const node of all("svg .node")) {
        const ground = fill(node.querySelector("rect"));
        for (const text of node.querySelectorAll("text")) {
            if (ratio(fill(text), ground) < 4.5) wrong.push(`too faint: ${text.textContent}`);
            const [inner, outer] = [text.getBBox(), node.querySelector("rect").getBBox()];
            if (inner.x + inner.width > outer.x + outer.width) wrong.push(`wider than its box: ${text.textContent}`);
        }
    }
    return wrong;
})()"##;

#[track_caller]
fn assert_good(chromium: &str, scratch: &Scratch, file: &str) {
    for arguments in [&[][..], &["--dark"], &["--width", "375"]] {
        let seen = look(chromium, scratch, file, &[arguments, &["--evaluate", CHECK]].concat());
        assert_quiet(&seen);
        assert_eq!(seen["value"], serde_json::json!([]), "{arguments:?}: {seen:#}");
    }
}

#[test]
fn what_a_page_must_not_do_would_be_seen() {
    let Some(chromium) = chromium() else { return };
    let scratch = scratch();
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">";
    scratch.write(
        "refused.html",
        format!("{policy}<script>alert(1)</script><p style=\"color:red\">x</p><img src=x.png>"),
    );
    let seen = look(chromium, &scratch, "refused.html", &[]);
    assert!(seen["console"].as_array().unwrap().len() >= 3, "{seen}");
    assert!(seen["issues"].as_array().unwrap().contains(&"ContentSecurityPolicyIssue".into()), "{seen}");
    scratch.write(
        "bad.html",
        "<script>console.log('said'); document.title = 'run'</script><img src=x.png><h3>x</h3>",
    );
    let seen = look(chromium, &scratch, "bad.html", &[]);
    assert_eq!(seen["value"], "run", "{seen}");
    assert!(seen["console"].as_array().unwrap().contains(&"said".into()), "{seen}");
    assert_eq!(seen["requests"].as_array().unwrap().len(), 2, "{seen}");
    let seen = look(chromium, &scratch, "bad.html", &["--evaluate", CHECK]);
    assert!(seen["value"].as_array().unwrap().len() >= 6, "{seen}");
}

#[test]
fn reports_of_what_is_shipped() {
    let Some(chromium) = chromium() else { return };
    let scratch = scratch();
    scratch.copy_of_repository("pipelines");
    for (name, code) in [("failing", 1), ("etl", 0), ("etl", 0)] {
        scratch.run(&format!("run pipelines/{name}.toml")).expect_code(code);
        scratch.run(&format!("report last --output {name}.html")).expect_code(0);
    }
    assert_good(chromium, &scratch, "failing.html");
    assert_good(chromium, &scratch, "etl.html");
    scratch.write("etl.svg", scratch.run("graph pipelines/etl.toml --format svg").stdout);
    let seen =
        look(chromium, &scratch, "etl.svg", &["--evaluate", "document.querySelectorAll('.node').length"]);
    assert_quiet(&seen);
    assert_eq!(seen["value"], 7);
}

#[test]
fn what_hostile_people_write_is_only_read() {
    let Some(chromium) = chromium() else { return };
    let scratch = scratch();
    let hostile = "</script></title></style></pre><img src=x onerror=alert(1)><svg onload=alert(1)>\\\"'javascript:alert(1)\u{202e}";
    let head = format!(
        "description = \"{hostile}\"\n[params]\ntext = {{ type = \"string\", default = \"{hostile}\" }}"
    );
    scratch.write("handlers.py", "def fail(event, context):\n    print(event['text'] * 2000)\n    raise ValueError(event['text'] * 2000)\n");
    let text = "payload = { text = \"${params.text}\" }";
    let jobs = function("says", &format!("description = \"{hostile}\""), text, "fail")
        + &given("gives", "", &format!("{{ \"{hostile}\" = \"{hostile}\" }}"))
        + &job("waits", "depends_on = [\"says\"]", "", "true");
    scratch.write("t.toml", pipeline_with(&head, &jobs));
    let label = hostile.replace("\\\"", "\"");
    scratch.run_with(["run", "t.toml", "--label", &format!("who={label}")]).expect_code(1);
    scratch.run("report last --output t.html").expect_code(0);
    assert_good(chromium, &scratch, "t.html");
    let seen = look(
        chromium,
        &scratch,
        "t.html",
        &["--evaluate", "document.body.innerText.includes('<img src=x onerror=alert(1)>')"],
    );
    assert_eq!(seen["value"], true, "it is not shown as it was written");
    scratch.write("t.svg", scratch.run("graph t.toml --format svg").expect_code(0).stdout);
    assert_quiet(&look(chromium, &scratch, "t.svg", &[]));
}

#[test]
fn hundreds_of_jobs_stay_readable() {
    let Some(chromium) = chromium() else { return };
    let scratch = scratch();
    let jobs: String = (0..300_usize)
        .map(|at| {
            let mut upstreams = vec![at.saturating_sub(10), at * 7 % at.saturating_sub(9).max(1)];
            upstreams.dedup();
            let upstreams: Vec<String> = upstreams.iter().map(|up| format!("\"job-{up}\"")).collect();
            let keys =
                if at < 10 { String::new() } else { format!("depends_on = [{}]", upstreams.join(", ")) };
            given(&format!("job-{at}"), &keys, "1")
        })
        .collect();
    scratch.write("t.toml", pipeline(&jobs));
    scratch.run("run t.toml").expect_code(0);
    scratch.run("report last --output t.html").expect_code(0);
    assert_good(chromium, &scratch, "t.html");
}
