//! `bunsui plugin new NAME [DIR]`: a crate that builds, with an operation type, its tests and the SDK's sources.
//!
//! Takes: a name. Gives: a folder that nothing was in before. Deliberately does not: run cargo.

mod name;
mod sources;

use super::super::{Console, Exit, Failure, Outcome};
use crate::settings::Surroundings;
use name::Name;
use sources::{BESIDE, SOURCES, Vendored};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The new crate's own files: where each is put, and with what.
const FILES: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("new/template/manifest.toml")),
    ("src/lib.rs", include_str!("new/template/src/lib.rs")),
    ("tests/operation.rs", include_str!("new/template/tests/operation.rs")),
    ("pipelines/example.toml", include_str!("new/template/pipelines/example.toml")),
    ("README.md", include_str!("new/template/README.md")),
    (".gitignore", include_str!("new/template/gitignore")),
];

/// Where the SDK's sources are put.
const VENDOR: &str = "vendor";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct NewArgs {
    /// The operation type's name, and the plugin's
    #[arg(value_name = "NAME")]
    name: String,
    /// Where; made if it is not there [default: NAME]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// A checkout of bunsui whose SDK is used, instead of a copy of the SDK in vendor/
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

/// The folder is in use.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{path}` is not empty: it has `{found}`")]
#[diagnostic(
    code("bunsui::plugin::folder_not_empty"),
    help("name another folder: bunsui plugin new {name} DIR")
)]
struct FolderNotEmpty {
    path: String,
    found: String,
    name: String,
}

/// What `--sdk` names has no SDK.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{path}` is no checkout of bunsui: it has no `plugins/sdk/Cargo.toml`")]
#[diagnostic(
    code("bunsui::plugin::no_sdk"),
    help("without `--sdk` the SDK's sources are copied into the new crate")
)]
struct NoSdk {
    path: String,
}

/// Something could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot write `{path}`")]
#[diagnostic(code("bunsui::plugin::cannot_write"))]
struct CannotWrite {
    path: String,
    #[source]
    cause: std::io::Error,
}

impl CannotWrite {
    fn to(path: &Path) -> impl FnOnce(std::io::Error) -> Failure + use<> {
        let path = path.display().to_string();
        |cause| Failure::surroundings(Self { path, cause })
    }
}

pub(in crate::cli) fn run(args: &NewArgs, surroundings: &Surroundings, console: &Console) -> Outcome {
    let name = Name::parse(&args.name).map_err(Failure::bad_input)?;
    let shown = args.directory.clone().unwrap_or_else(|| name.as_str().into());
    let directory = surroundings.directory.join(&shown);
    let sdk = args.sdk.as_deref().map(|path| find_sdk(path, &surroundings.directory)).transpose()?;
    check_empty(&directory, &shown, &name)?;
    for (path, text) in FILES {
        create(&directory.join(path), &filled(text, &name, sdk.as_deref()))?;
        console.talk(format_args!(" created {}", shown.join(path).display()));
    }
    if sdk.is_none() {
        vendor(&directory)?;
        let version = env!("CARGO_PKG_VERSION");
        console
            .talk(format_args!(" created {}/ (the SDK of bunsui {version})", shown.join(VENDOR).display()));
    }
    console.talk("");
    console.talk(next(&shown));
    Ok(Exit::Done)
}

/// The folder of the SDK in a checkout.
fn find_sdk(checkout: &Path, directory: &Path) -> Result<PathBuf, Failure> {
    let found = directory.join(checkout).join("plugins/sdk").canonicalize().ok();
    found
        .filter(|sdk| sdk.join("Cargo.toml").is_file())
        .ok_or_else(|| Failure::bad_input(NoSdk { path: checkout.display().to_string() }))
}

/// A folder that is not there, or in which there is nothing but a repository's own folder, as after `git clone`.
fn check_empty(directory: &Path, shown: &Path, name: &Name) -> Result<(), Failure> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(CannotWrite::to(shown)(error)),
    };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    match names.filter(|name| name != ".git").min() {
        None => Ok(()),
        Some(found) => {
            let (path, name) = (shown.display().to_string(), name.as_str().to_owned());
            Err(Failure::bad_input(FolderNotEmpty { path, found, name }))
        }
    }
}

/// `create_new` leaves no moment in which somebody else's file could be overwritten.
fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::File::create_new(path))
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(CannotWrite::to(path))
}

fn vendor(directory: &Path) -> Result<(), Failure> {
    for (path, text) in BESIDE {
        create(&directory.join(VENDOR).join(path), text)?;
    }
    for Vendored { package, manifest, files } in SOURCES {
        let folder = directory.join(VENDOR).join(package);
        create(&folder.join("Cargo.toml"), manifest)?;
        for (path, text) in *files {
            create(&folder.join(path), text)?;
        }
    }
    Ok(())
}

fn filled(template: &str, name: &Name, sdk: Option<&Path>) -> String {
    let vendored = format!("{VENDOR}/bunsui-plugin-sdk");
    let path =
        sdk.map_or(vendored, |sdk| sdk.display().to_string().replace('\\', "\\\\").replace('"', "\\\""));
    let row = match sdk {
        None => format!(
            "`{VENDOR}/` | the SDK as bunsui {} has it; a later bunsui accepts what is built with it",
            env!("CARGO_PKG_VERSION")
        ),
        Some(_) => "`Cargo.toml` | the SDK is that of a checkout on this machine".to_owned(),
    };
    template
        .replace("{{name}}", name.as_str())
        .replace("{{library}}", &name.library())
        .replace("{{sdk}}", &path)
        .replace("{{sdk_row}}", &row)
}

fn next(directory: &Path) -> String {
    let change =
        if directory == Path::new(".") { String::new() } else { format!("cd {} && ", quoted(directory)) };
    format!("Next: {change}cargo test && cargo build\nREADME.md says how to go on.")
}

fn quoted(directory: &Path) -> String {
    let folder = directory.to_string_lossy();
    let is_plain = folder.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if is_plain { folder.into_owned() } else { format!("'{}'", folder.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        let name = Name::parse("my_Type-2").expect("a name");
        for sdk in [None, Some(Path::new("/a \"b\"/plugins/sdk"))] {
            for (path, text) in FILES {
                let text = filled(text, &name, sdk);
                for placeholder in ["{{name}}", "{{library}}", "{{sdk"] {
                    assert!(!text.contains(placeholder), "{path} has {placeholder}");
                }
            }
        }
        let manifest = filled(FILES[0].1, &name, Some(Path::new("/a \"b\"/sdk")));
        assert!(manifest.contains("name = \"bunsui_my_type_2\""), "{manifest}");
        assert!(manifest.contains(r#"{ path = "/a \"b\"/sdk" }"#), "{manifest}");
        toml::de::DeTable::parse(&manifest).expect("it is TOML");
    }

    #[test]
    fn the_next_command_can_be_pasted() {
        let next = |folder: &str| next(Path::new(folder)).lines().next().map(ToOwned::to_owned);
        assert_eq!(next(".").as_deref(), Some("Next: cargo test && cargo build"));
        assert_eq!(
            next("it's mine").as_deref(),
            Some(r"Next: cd 'it'\''s mine' && cargo test && cargo build")
        );
    }
}
