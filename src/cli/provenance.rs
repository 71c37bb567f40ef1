//! Where a session comes from: what git says of the pipeline file's folder.

use crate::session::GitRecord;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A repository may be large and its disk slow; a session does not wait for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The revision of a folder; none where it is in no repository, or where there is no git that says it soon.
pub(super) fn git_record(folder: &Path) -> Option<GitRecord> {
    let mut child = Command::new("git")
        .args(["status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules"])
        .current_dir(folder)
        // Nothing is written into the repository, be it only a refreshed index.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdout = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut text).ok().map(|_| text)
    });
    let began = Instant::now();
    while !reader.is_finished() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    if !reader.is_finished() {
        let _ = child.kill();
    }
    let is_done = child.wait().is_ok_and(|status| status.success());
    let text = reader.join().ok()??;
    parse(&text).filter(|_| is_done)
}

/// Of git's `status --porcelain=v2 --branch`.
fn parse(text: &str) -> Option<GitRecord> {
    let header = |name: &str| text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(name));
    let revision = header("branch.oid ")?;
    if revision == "(initial)" {
        return None;
    }
    Some(GitRecord {
        revision: revision.to_owned(),
        branch: header("branch.head ").filter(|head| *head != "(detached)").map(str::to_owned),
        is_dirty: text.lines().any(|line| !line.starts_with('#')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_read() {
        let text = "# branch.oid 1234abcd\n# branch.head main\n# branch.ab +0 -0\n";
        let clean = GitRecord { revision: "1234abcd".into(), branch: Some("main".into()), is_dirty: false };
        assert_eq!(parse(text), Some(clean.clone()));
        let dirty = format!("{text}1 .M N... 100644 100644 100644 1 1 etl.toml\n");
        assert_eq!(parse(&dirty), Some(GitRecord { is_dirty: true, ..clean }));
        assert_eq!(parse("# branch.oid (initial)\n# branch.head main\n"), None);
        assert_eq!(parse("# branch.oid 12\n# branch.head (detached)\n").unwrap().branch, None);
        assert_eq!(parse(""), None);
    }
}
