//! The page of every code: what it means, an example that is wrong, the same made right.
//!
//! Pages are written as Markdown in docs/diagnostics, one file an area, one `##` section a code, and are
//! compiled in. A test compares the codes in the source with the pages.

/// The explanation of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `bunsui::<area>::<name>`.
    pub code: &'static str,
    /// Markdown, without the heading.
    pub text: &'static str,
}

const AREAS: &[&str] = &[
    include_str!("../../docs/diagnostics/syntax.md"),
    include_str!("../../docs/diagnostics/pipeline.md"),
    include_str!("../../docs/diagnostics/param.md"),
    include_str!("../../docs/diagnostics/reference.md"),
    include_str!("../../docs/diagnostics/plugin.md"),
    include_str!("../../docs/diagnostics/settings.md"),
    include_str!("../../docs/diagnostics/session.md"),
    include_str!("../../docs/diagnostics/execution.md"),
    include_str!("../../docs/diagnostics/store.md"),
    include_str!("../../docs/diagnostics/aws.md"),
];

/// All pages, in the order of the files.
pub fn pages() -> Vec<Page> {
    AREAS.iter().flat_map(|area| sections(area)).collect()
}

/// The page of one code.
pub fn page(code: &str) -> Option<Page> {
    AREAS.iter().flat_map(|area| sections(area)).find(|page| page.code == code)
}

fn sections(area: &'static str) -> impl Iterator<Item = Page> {
    area.split("\n## ").skip(1).filter_map(|section| {
        let (heading, text) = section.split_once('\n')?;
        Some(Page { code: heading.trim().trim_matches('`'), text: text.trim() })
    })
}
