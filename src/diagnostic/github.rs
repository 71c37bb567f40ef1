//! Findings as workflow commands of GitHub Actions, which shows them beside the lines of a change.

use super::render::DiagnosticView;

/// A command a line: `::error file=…,line=…,col=…,title=…::…` (GitHub's reference, "Workflow commands").
pub fn github(views: &[DiagnosticView]) -> String {
    views.iter().map(|view| command(view) + "\n").collect()
}

fn command(view: &DiagnosticView) -> String {
    let mut properties = vec![format!("file={}", property(&view.file))];
    let mut put = |name: &str, value: Option<usize>| {
        properties.extend(value.map(|value| format!("{name}={value}")));
    };
    put("line", view.line);
    put("endLine", view.end_line);
    // GitHub takes columns only within one line.
    if view.line == view.end_line {
        put("col", view.column);
        put("endColumn", view.end_column);
    }
    properties.push(format!("title={}", property(&view.code)));
    format!("::{} {}::{}", view.severity, properties.join(","), data(&view.text()))
}

/// What would end a command or begin another one.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_finding_ends_its_command() {
        let view = DiagnosticView {
            code: "bunsui::pipeline::cycle".into(),
            severity: "error".into(),
            message: "50 %\n::error::x".into(),
            help: Some("mend it".into()),
            file: "a,b:c.toml".into(),
            line: Some(3),
            column: Some(2),
            end_line: Some(3),
            end_column: Some(5),
            labels: Vec::new(),
        };
        assert_eq!(
            github(std::slice::from_ref(&view)),
            "::error file=a%2Cb%3Ac.toml,line=3,endLine=3,col=2,endColumn=5,title=bunsui%3A%3Apipeline%3A%3Acycle\
             ::50 %25%0A::error::x%0Ahelp: mend it\n"
        );
        let over_lines = DiagnosticView { end_line: Some(4), ..view };
        assert!(github(&[over_lines]).contains("line=3,endLine=4,title="));
    }
}
