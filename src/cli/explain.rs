//! `bunsui explain [CODE]`: the page of a code, or the list of all.

use super::output::Output;
use super::{Console, Exit, Failure, Outcome};
use crate::diagnostic::{Page, nearest, pages};
use serde_json::{Value as Json, json};

mod markdown;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A code such as `bunsui::pipeline::cycle` or `pipeline::cycle`; without one, all are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// For people, or as JSON: one page with its text in Markdown, or all of them
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

/// The code is none of bunsui's.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no code `{code}`")]
#[diagnostic(code("bunsui::settings::unknown_code"))]
struct UnknownCode {
    code: String,
    #[help]
    help: String,
}

pub(super) fn run(args: &Args, console: &Console) -> Outcome {
    let pages = pages();
    let page = args.code.as_deref().map(|code| find(code, &pages)).transpose().map_err(Failure::bad_input)?;
    match (page, args.output) {
        (None, Output::Human) => console.data(list(&pages)),
        (None, Output::Json) => console.data(json!({ "pages": pages.iter().map(view).collect::<Vec<_>>() })),
        (Some(page), Output::Human) => {
            console.data(markdown::render(page.code, page.text, console.width.min(100)));
        }
        (Some(page), Output::Json) => console.data(view(page)),
    }
    Ok(Exit::Done)
}

fn view(page: &Page) -> Json {
    json!({ "code": page.code, "summary": first_sentence(page.text), "text": page.text })
}

fn find<'a>(code: &str, pages: &'a [Page]) -> Result<&'a Page, UnknownCode> {
    let bare = bare(code);
    pages.iter().find(|page| self::bare(page.code) == bare).ok_or_else(|| UnknownCode {
        code: code.to_owned(),
        help: match nearest_code(bare, pages) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`bunsui explain` lists all of them".to_owned(),
        },
    })
}

/// A name alone is enough to be near: `cycle` offers `bunsui::pipeline::cycle`.
fn nearest_code<'a>(bare: &str, pages: &'a [Page]) -> Option<&'a str> {
    let same_name = pages.iter().find(|page| page.code.rsplit("::").next() == Some(bare));
    same_name.map(|page| page.code).or_else(|| {
        let near = nearest(bare, pages.iter().map(|page| self::bare(page.code)))?;
        pages.iter().map(|page| page.code).find(|code| self::bare(code) == near)
    })
}

fn bare(code: &str) -> &str {
    code.trim().strip_prefix("bunsui::").unwrap_or(code.trim())
}

fn list(pages: &[Page]) -> String {
    let width = pages.iter().map(|page| page.code.len()).max().unwrap_or(0);
    let line = |page: &Page| format!("{:width$}  {}", page.code, first_sentence(page.text));
    pages.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn first_sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    paragraph[..end].replace('`', "").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [Page; 2] = [
        Page {
            code: "bunsui::pipeline::cycle",
            text: "Jobs depend on\neach other, as `a` does. More.\n\n```toml\n```",
        },
        Page { code: "bunsui::settings::wrong_type", text: "A setting has the wrong type" },
    ];

    #[track_caller]
    fn check(code: &str, expected: Result<&str, &str>) {
        let found = find(code, &PAGES);
        assert_eq!(found.as_ref().map(|page| page.code).map_err(|error| error.help.as_str()), expected);
    }

    #[test]
    fn codes_are_found_with_and_without_their_prefix() {
        check("bunsui::pipeline::cycle", Ok("bunsui::pipeline::cycle"));
        check(" settings::wrong_type", Ok("bunsui::settings::wrong_type"));
    }

    #[test]
    fn the_nearest_code_is_offered() {
        check("pipeline::cycles", Err("did you mean `bunsui::pipeline::cycle`?"));
        check("wrong_type", Err("did you mean `bunsui::settings::wrong_type`?"));
        check("E0308", Err("`bunsui explain` lists all of them"));
    }

    #[test]
    fn the_list_shows_first_sentences() {
        assert_eq!(
            list(&PAGES),
            "bunsui::pipeline::cycle       Jobs depend on each other, as a does\n\
             bunsui::settings::wrong_type  A setting has the wrong type"
        );
    }
}
