//! The SDK's sources, carried in the executable: a plugin can be begun where no checkout and no registry of ours is.
//!
//! Deliberately does not carry what the two crates' own tests need.

/// A crate as it is put into `vendor/`.
#[derive(Debug)]
pub(super) struct Vendored {
    /// The crate, and its folder.
    pub(super) package: &'static str,
    /// Its manifest, with nothing left to a workspace.
    pub(super) manifest: &'static str,
    /// Each file's path within the crate, and its text.
    pub(super) files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($folder:literal: $($path:literal,)+) => {
        &[$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/", $folder, "/", $path)))),+]
    };
}

/// On what terms the sources are given, and how they are formatted.
pub(super) const BESIDE: [(&str, &str); 3] = [
    ("LICENSE-MIT", include_str!("../../../../LICENSE-MIT")),
    ("LICENSE-APACHE", include_str!("../../../../LICENSE-APACHE")),
    ("rustfmt.toml", include_str!("../../../../rustfmt.toml")),
];

/// All that a plugin needs of bunsui. A test holds it to the folders.
pub(super) const SOURCES: &[Vendored] = &[
    Vendored {
        package: "bunsui-plugin-abi",
        manifest: include_str!("vendor/abi.toml"),
        files: files! {
            "abi":
            "include/bunsui_plugin.h",
            "src/lib.rs",
        },
    },
    Vendored {
        package: "bunsui-plugin-sdk",
        manifest: include_str!("vendor/sdk.toml"),
        files: files! {
            "sdk":
            "src/aws.rs",
            "src/cause.rs",
            "src/exchange.rs",
            "src/export.rs",
            "src/fragment.rs",
            "src/host.rs",
            "src/keys.rs",
            "src/lib.rs",
            "src/operation.rs",
            "src/process/child.rs",
            "src/process/mod.rs",
            "src/retry.rs",
            "src/schema.rs",
            "src/testing/fragment.rs",
            "src/testing/host.rs",
            "src/testing/mod.rs",
            "src/testing/references.rs",
            "src/testing/schema.rs",
            "src/testing/statement.rs",
            "src/testing/task.rs",
            "src/value.rs",
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value as Json, json};
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use toml::de::{DeTable, DeValue};

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn folder(package: &str) -> PathBuf {
        root().join("plugins").join(package.trim_start_matches("bunsui-plugin-"))
    }

    fn files_below(folder: &Path, crate_folder: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(folder).expect("a folder of the project") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                found.extend(files_below(&path, crate_folder));
            } else {
                found.insert(path.strip_prefix(crate_folder).expect("below").display().to_string());
            }
        }
        found
    }

    #[test]
    fn no_source_is_forgotten_and_each_is_as_it_is() {
        for Vendored { package, files, .. } in SOURCES {
            let folder = folder(package);
            let mut there = files_below(&folder.join("src"), &folder);
            if folder.join("include").is_dir() {
                there.extend(files_below(&folder.join("include"), &folder));
            }
            let carried: BTreeSet<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(carried, there, "the list in sources.rs is not what is in {}", folder.display());
            for (path, text) in *files {
                let now = std::fs::read_to_string(folder.join(path)).expect("it is there");
                assert_eq!(*text, now, "{path}");
            }
        }
    }

    fn table(text: &str) -> Json {
        json_of(&DeValue::Table(DeTable::parse(text).expect("it is TOML").into_inner()))
    }

    /// Of what the manifests of these crates have; anything else stays what it looks like.
    fn json_of(value: &DeValue<'_>) -> Json {
        match value {
            DeValue::Table(table) => {
                let entries = table.iter();
                let entries =
                    entries.map(|(key, value)| (key.get_ref().to_string(), json_of(value.get_ref())));
                Json::Object(entries.collect())
            }
            DeValue::Array(items) => items.iter().map(|item| json_of(item.get_ref())).collect(),
            DeValue::String(text) => json!(text),
            DeValue::Boolean(value) => json!(value),
            other => json!(format!("{other:?}")),
        }
    }

    /// A dependency with what the workspace says of it.
    fn whole(name: &str, said: &Json, workspace: &Json) -> Json {
        let as_table = |value: &Json| match value {
            Json::Object(table) => table.clone(),
            version => Map::from_iter([("version".to_owned(), version.clone())]),
        };
        let mut said = as_table(said);
        if said.remove("workspace").is_none() {
            return said.into();
        }
        let mut whole = as_table(&workspace["dependencies"][name]);
        whole.extend(said);
        if whole.contains_key("path") {
            whole.insert("path".to_owned(), format!("../{name}").into());
        }
        whole.into()
    }

    fn dependencies(manifest: &Json, workspace: &Json) -> Vec<(String, Json)> {
        let all = manifest.get("dependencies").and_then(Json::as_object).into_iter().flatten();
        all.map(|(name, said)| (name.clone(), whole(name, said, workspace))).collect()
    }

    #[test]
    fn manifests_say_what_those_of_the_workspace_mean() {
        let read = |path: PathBuf| table(&std::fs::read_to_string(path).expect("it is there"));
        let workspace = &read(root().join("Cargo.toml"))["workspace"];
        for Vendored { package, manifest, .. } in SOURCES {
            let (mut own, carried) = (read(folder(package).join("Cargo.toml")), table(manifest));
            for (key, value) in own["package"].as_object_mut().expect("a table") {
                if value.get("workspace").is_some() {
                    *value = workspace["package"][key].clone();
                }
            }
            assert_eq!(carried["package"], own["package"], "{package}");
            assert_eq!(carried.get("features"), own.get("features"), "{package}");
            assert_eq!(dependencies(&carried, workspace), dependencies(&own, workspace), "{package}");
        }
        assert!(!dependencies(&table(SOURCES[1].manifest), workspace).is_empty());
    }
}
