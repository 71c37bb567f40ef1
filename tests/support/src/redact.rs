//! What changes from run to run, replaced by its name.

use regex::Regex;
use std::path::Path;

/// Replacements, in order.
#[derive(Debug, Clone)]
pub struct Redactions {
    paths: Vec<(String, String)>,
    patterns: Vec<(Regex, &'static str)>,
}

/// A duration stands alone or after a space or bracket, so that "90s" of a pipeline file in a diagnostic's excerpt stays,
/// for it is in quotes. One that stands at the right of its column takes the spaces before it along.
const PATTERNS: [(&str, &str); 12] = [
    (r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?", "[TIME]"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[UUID]"),
    (r"\breports/\d{4}/\d{2}/\d{2}/", "reports/[DAY]/"),
    (r"\b\d{8}-\d{6}-[0-9a-z]{6}\b", "[SESSION]"),
    (r"(?m)^\d{2}:\d{2}:\d{2}(?:\.\d{3})? ", "[TIME] "),
    (r"\(version [0-9a-f]{12}\)", "(version [DIGEST])"),
    (r"\(sha256 [0-9a-f]{12}\)", "(sha256 [DIGEST])"),
    (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
    (r"\bpid(?P<sep>[ =:]+)\d+\b", "pid${sep}[PID]"),
    (r"  +(?:\d+\.\ds|\d+m \d\ds|\d+h \d\dm)\b", "  [DURATION]"),
    (r"(?m)(?P<before>^|[ (\[])(?:\d+\.\d+m?s|\d+(?:ms|µs)|\d+m \d+s|\d+h \d+m)\b", "${before}[DURATION]"),
    (r"(?P<name>bunsui|lambda|ecs) +v?\d+\.\d+\.\d+(?:-[0-9a-z.]+)?\b", "${name} [VERSION]"),
];

impl Redactions {
    /// Times, ids, digests, durations, versions.
    ///
    /// # Panics
    ///
    /// Never: the patterns are those above.
    pub fn new() -> Self {
        let patterns =
            PATTERNS.iter().map(|(pattern, name)| (Regex::new(pattern).expect("a right pattern"), *name));
        Self { paths: Vec::new(), patterns: patterns.collect() }
    }

    /// A path; longer ones have to come before those they begin with.
    #[must_use]
    pub fn path(mut self, path: &Path, name: &str) -> Self {
        self.paths.push((path.to_string_lossy().into_owned(), name.to_owned()));
        self
    }

    /// Any text, such as the id of a session that the test knows.
    #[must_use]
    pub fn text(mut self, text: &str, name: &str) -> Self {
        self.paths.push((text.to_owned(), name.to_owned()));
        self
    }

    /// The text with everything replaced.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (path, name) in &self.paths {
            text = text.replace(path, name);
        }
        for (pattern, name) in &self.patterns {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        text
    }
}

impl Default for Redactions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Redactions::new().path(Path::new("/a/work"), "[WORK]").apply(text), expected);
    }

    #[test]
    fn what_changes_is_named() {
        check("at 2026-11-22T09:25:13.123Z in /a/work/x", "at [TIME] in [WORK]/x");
        check("session 0192d1f8-53e2-7c1a-9d1b-2f1e5a6b7c8d", "session [UUID]");
        check("session 20261122-091530-k3f9qa done in 1.24s", "session [SESSION] done in [DURATION]");
        check("09:15:30 started a\n09:15:30.123 a/b  x", "[TIME] started a\n[TIME] a/b  x");
        check("  a  succeeded     12.4s  x", "  a  succeeded  [DURATION]  x");
        check("extract (12ms), all (1m 3s) 350µs", "extract ([DURATION]), all ([DURATION]) [DURATION]");
        check("lambda 0.1.0, bunsui 0.1.0-dev.1", "lambda [VERSION], bunsui [VERSION]");
    }

    #[test]
    fn what_stays_the_same_stays() {
        check("timeout = \"90s\"  # 5 jobs, line 3:12", "timeout = \"90s\"  # 5 jobs, line 3:12");
        check("exit code 3; 12 months; v2", "exit code 3; 12 months; v2");
    }
}
