//! Layers in scratch folders, with variables of the test's own.

use super::*;
use std::fs;
use std::path::Path;

/// A folder with files (`path`, text), and the current folder `project/deep` in it; home is `home`.
struct Case {
    root: tempfile::TempDir,
    surroundings: Surroundings,
    overrides: Overrides,
}

fn case(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Case {
    let root = tempfile::tempdir().expect("a scratch folder");
    let real = root.path().canonicalize().expect("it is there");
    fs::create_dir_all(real.join("project/deep")).expect("made");
    for (path, text) in files {
        let path = real.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("made");
        fs::write(path, text).expect("written");
    }
    let home = ("HOME".to_owned(), real.join("home").display().to_string());
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let surroundings =
        Surroundings { directory: real.join("project/deep"), variables: variables.chain([home]).collect() };
    Case { root, surroundings, overrides: Overrides::default() }
}

impl Case {
    fn environment(mut self, name: &str) -> Self {
        self.overrides.environment = Some(name.to_owned());
        self
    }

    fn backend(mut self, backend: BackendKind) -> Self {
        self.overrides.backend = Some(backend);
        self
    }

    #[track_caller]
    fn load(&self) -> Settings {
        load(&self.surroundings, &self.overrides).expect("right settings").0
    }

    /// `key = value  # layer` for each key asked for.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let (_, origins) =
            load(&self.surroundings, &self.overrides).unwrap_or_else(|error| panic!("{error:?}"));
        let root = self.root.path().canonicalize().expect("it is there");
        let found: Vec<String> = origins
            .iter()
            .map(|origin| format!("{} = {}  # {}", origin.key, origin.value, origin.layer))
            .map(|line| line.replace(&root.display().to_string(), ""))
            .collect();
        for line in expected {
            assert!(found.iter().any(|one| one == line), "no `{line}` in\n{}", found.join("\n"));
        }
    }

    /// `file:line:column code message / help` of each finding.
    #[track_caller]
    fn check_findings(&self, expected: &[&str]) {
        let error = load(&self.surroundings, &self.overrides).expect_err("wrong settings");
        let files = error.findings().unwrap_or_else(|| panic!("no findings, but {error:?}"));
        let mut found = Vec::new();
        for (source, diagnostics) in files {
            for one in diagnostics {
                let (line, column) = source.position(one.labels.first().expect("a place").span.start);
                let code = one.code.rsplit("::").next().unwrap_or_default();
                let help = one.help.as_deref().unwrap_or("-");
                found.push(format!("{}:{line}:{column} {code} {} / {help}", source.name, one.message));
            }
        }
        assert_eq!(found, expected);
    }

    /// `message / help`.
    #[track_caller]
    fn check_error(&self, expected: &str) {
        let error = load(&self.surroundings, &self.overrides).expect_err("wrong settings");
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        assert_eq!(format!("{error} / {}", help.as_deref().unwrap_or("-")), expected);
    }
}

#[test]
fn without_files_there_are_defaults() {
    let case = case(&[], &[]);
    case.check(&[
        r#"backend = "local"  # default"#,
        r#"local.state = "/project/deep/.bunsui"  # default"#,
        r#"aws.prefix = "bunsui-"  # default"#,
        r#"plugins.search_path = []  # default"#,
        r#"logs.collect = "failed"  # default"#,
    ]);
    let settings = case.load();
    let home = case.root.path().canonicalize().expect("it is there").join("home");
    assert_eq!(settings.aws.region, None);
    assert_eq!(settings.plugins.user, Some(home.join(".local/share/bunsui/plugins")));
    assert_eq!(settings.plugins.cache, Some(home.join(".cache/bunsui")));
}

#[test]
fn each_layer_replaces_those_below_it() {
    let files = [
        (
            "home/.config/bunsui/config.toml",
            "backend = \"aws\"\n[aws]\nregion = \"eu-west-1\"\nbucket = \"mine\"\n",
        ),
        (
            "project/bunsui.toml",
            "[aws]\nregion = \"us-east-1\"\nprefix = \"p-\"\n\n[env.production.aws]\nprefix = \"live-\"\n",
        ),
    ];
    let lower = case(&files, &[]);
    lower.check(&[
        r#"backend = "aws"  # ~/.config/bunsui/config.toml:1"#,
        r#"aws.bucket = "mine"  # ~/.config/bunsui/config.toml:4"#,
        r#"aws.region = "us-east-1"  # ../bunsui.toml:2"#,
        r#"aws.prefix = "p-"  # ../bunsui.toml:3"#,
    ]);
    let higher = case(&files, &[("BUNSUI_AWS__REGION", "ap-northeast-1"), ("BUNSUI_BACKEND", "aws")])
        .environment("production")
        .backend(BackendKind::Local);
    higher.check(&[
        r#"backend = "local"  # --backend"#,
        r#"aws.region = "ap-northeast-1"  # BUNSUI_AWS__REGION"#,
        r#"aws.prefix = "live-"  # [env.production] ../bunsui.toml:6"#,
    ]);
    assert_eq!(higher.load().backend, BackendKind::Local);
}

#[test]
fn sections_within_sections_are_layers_of_single_values() {
    let text = "[aws.endpoint_urls]\ns3 = \"http://localhost:9000\"\nsts = \"http://localhost:1\"\n\
                [env.live.aws.quotas]\nStartExecution = \"1300/300\"\n";
    let case = case(
        &[("project/bunsui.toml", text)],
        &[
            ("BUNSUI_AWS__ENDPOINT_URLS__STS", "http://localhost:2"),
            ("BUNSUI_AWS__QUOTAS__STOPEXECUTION", "5/0.5"),
        ],
    )
    .environment("live");
    case.check(&[
        r#"aws.endpoint_urls.s3 = "http://localhost:9000"  # ../bunsui.toml:2"#,
        r#"aws.endpoint_urls.sts = "http://localhost:2"  # BUNSUI_AWS__ENDPOINT_URLS__STS"#,
        r#"aws.quotas.StartExecution = "1300/300"  # [env.live] ../bunsui.toml:5"#,
    ]);
    let aws = case.load().aws;
    assert_eq!(aws.quota("StopExecution"), Some(Quota { size: 5.0, refill: 0.5 }));
    assert_eq!(aws.endpoint_urls["s3"], "http://localhost:9000");
}

#[test]
fn what_is_wrong_in_a_section_within_a_section_is_found() {
    let text = "[aws]\nendpoint_urls = { s33 = \"http://x\", s3 = \"x\" }\nqouta = 1\n\
                [aws.quotas]\nStopExecution = \"0/1\"\nStartExecution = \"1\"\n";
    let size = "it has to be a bucket's size and its refill per second, such as `800/150`";
    case(&[("project/bunsui.toml", text)], &[]).check_findings(&[
        "../bunsui.toml:2:19 unknown_key unknown setting `aws.endpoint_urls.s33` / did you mean `s3`?",
        "../bunsui.toml:2:42 invalid_value `x` is not a value of `aws.endpoint_urls.s3`: it has to be an address \
         that starts with `http://` or `https://` / -",
        "../bunsui.toml:3:1 unknown_key unknown setting `aws.qouta` / did you mean `quotas`?",
        &format!("../bunsui.toml:5:17 invalid_value `0/1` is not a value of `aws.quotas.StopExecution`: {size} / -"),
        &format!("../bunsui.toml:6:18 invalid_value `1` is not a value of `aws.quotas.StartExecution`: {size} / -"),
    ]);
}

#[test]
fn events_are_switched_on_or_have_a_queue_of_their_own() {
    let of = |said: &str, variables: &[(&str, &str)]| {
        let text = format!("[aws]\nprefix = \"p-\"\n{said}\n");
        case(&[("project/bunsui.toml", &text)], variables).load().aws.events_queue()
    };
    assert_eq!(of("", &[]), None);
    assert_eq!(of("events = false", &[]), None);
    assert_eq!(of("events = true", &[]).as_deref(), Some("p-events"));
    assert_eq!(of("events = \"ends\"", &[]).as_deref(), Some("ends"));
    assert_eq!(of("events = true", &[("BUNSUI_AWS__EVENTS", "false")]), None);
    assert_eq!(of("", &[("BUNSUI_AWS__EVENTS", "true")]).as_deref(), Some("p-events"));
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/ends";
    assert_eq!(of("", &[("BUNSUI_AWS__EVENTS", url)]).as_deref(), Some(url));
    case(&[("project/bunsui.toml", "[aws]\nevents = true\n")], &[])
        .check(&["aws.events = true  # ../bunsui.toml:2"]);
    let wanted = "`true`, `false`, or the name or the URL of a queue of SQS";
    case(&[("project/bunsui.toml", "[aws]\nevents = \"a b\"\n[env.x.aws]\nevents = 1\n")], &[]).check_findings(&[
        &format!("../bunsui.toml:2:10 invalid_value `a b` is not a value of `aws.events`: it has to be {wanted} / -"),
        "../bunsui.toml:4:10 wrong_type `aws.events` is an integer, but has to be a boolean or a string / -",
    ]);
    case(&[], &[("BUNSUI_AWS__EVENTS", "a b")])
        .check_error(&format!("`BUNSUI_AWS__EVENTS` is `a b`, but has to be {wanted} / -"));
}

#[test]
fn all_that_the_design_shows_is_accepted() {
    let text = r#"
backend = "local"
[local]
state = ".bunsui"
[aws]
region = "ap-northeast-1"
account = "123456789012"
bucket = "bunsui-data"
prefix = "bunsui-"
endpoint_url = "http://localhost:4566"
[plugins]
paths = ["plugins/built"]
[logs]
collect = "all"
[validate]
allow = ["bunsui::reference::not_evaluated"]
deny = []
[env.production]
backend = "aws"
"#;
    let case = case(&[("project/deep/bunsui.toml", text)], &[]);
    let settings = case.load();
    assert_eq!(settings.aws.account.as_deref(), Some("123456789012"));
    assert_eq!(settings.aws.endpoint_url.as_deref(), Some("http://localhost:4566"));
    assert_eq!(settings.plugins.paths, [case.surroundings.directory.join("plugins/built")]);
    assert_eq!(settings.logs.collect, LogCollection::All);
    assert_eq!(settings.validate.allow, ["bunsui::reference::not_evaluated"]);
    case.check(&[r#"logs.collect = "all"  # bunsui.toml:14"#]);
}

#[test]
fn paths_start_from_where_they_are_said() {
    let project =
        ("project/bunsui.toml", "[local]\nstate = \"../state/./here\"\n[plugins]\npaths = [\"a\", \"/b\"]\n");
    case(&[project], &[]).check(&[
        r#"local.state = "/state/here"  # ../bunsui.toml:2"#,
        r#"plugins.paths = ["/project/a","/b"]  # ../bunsui.toml:4"#,
    ]);
    case(&[project], &[("BUNSUI_LOCAL__STATE", "s"), ("BUNSUI_PLUGINS__PATHS", "x:/y")]).check(&[
        r#"local.state = "/project/deep/s"  # BUNSUI_LOCAL__STATE"#,
        r#"plugins.paths = ["/project/deep/x","/y"]  # BUNSUI_PLUGINS__PATHS"#,
    ]);
    case(&[("project/bunsui.toml", "")], &[]).check(&[r#"local.state = "/project/.bunsui"  # default"#]);
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let case = case(
        &[],
        &[
            ("BUNSUI_PLUGIN_PATH", "p::/q"),
            ("BUNSUI_PARAM_a__b", "1"),
            ("BUNSUI_LOG", "debug"),
            ("BUNSUI_OUTPUT", "x"),
            ("BUNSUI_LOCAL__STATE", ""),
            ("XDG_CACHE_HOME", "/cache"),
            ("XDG_DATA_HOME", "relative"),
        ],
    );
    case.check(&[
        r#"plugins.search_path = ["/project/deep/p","/q"]  # BUNSUI_PLUGIN_PATH"#,
        r#"local.state = "/project/deep/.bunsui"  # default"#,
    ]);
    let settings = case.load();
    assert_eq!(settings.plugins.cache.as_deref(), Some(Path::new("/cache/bunsui")));
    assert!(settings.plugins.user.expect("below home").ends_with("home/.local/share/bunsui/plugins"));
}

#[test]
fn every_finding_of_both_files_is_given() {
    let files = [
        ("home/.config/bunsui/config.toml", "[env.x]\nbackend = \"aws\"\n"),
        (
            "project/deep/bunsui.toml",
            r#"backnd = "aws"
backend = "locl"
local = 3
[aws]
account = 123456789012
bucket = "NO"
regoin = "x"
[plugins]
paths = ["a", 1]
[logs]
collect = true
[env]
a = 1
[env.b]
backend = "none"
env = 1
[env.b.local]
stat = ""
state = ""
"#,
        ),
    ];
    case(&files, &[]).check_findings(&[
        "~/.config/bunsui/config.toml:1:2 unknown_key `env` is for a project's bunsui.toml / move the section to the bunsui.toml of the project it is about",
        "bunsui.toml:1:1 unknown_key unknown setting `backnd` / did you mean `backend`?",
        "bunsui.toml:2:11 invalid_value `locl` is not a value of `backend` / did you mean `local`? It is one of `local`, `aws`",
        "bunsui.toml:3:9 wrong_type `local` is an integer, but has to be a table / write it as a section: `[local]`",
        "bunsui.toml:5:11 wrong_type `aws.account` is an integer, but has to be a string / put it in quotes",
        "bunsui.toml:6:10 invalid_value `NO` is not a value of `aws.bucket`: it has to be a bucket's name: 3 to 63 lower-case letters, digits, `-`, `.` / -",
        "bunsui.toml:7:1 unknown_key unknown setting `aws.regoin` / did you mean `region`?",
        "bunsui.toml:9:15 wrong_type `plugins.paths` is an integer, but has to be a string / put it in quotes",
        "bunsui.toml:11:11 wrong_type `logs.collect` is a boolean, but has to be a string / -",
        "bunsui.toml:13:5 wrong_type `env.a` is an integer, but has to be a table / write it as a section: `[env.a]`",
        "bunsui.toml:15:11 invalid_value `none` is not a value of `backend` / it is one of `local`, `aws`",
        "bunsui.toml:16:1 unknown_key unknown setting `env` / known here: `backend`, `local`, `aws`, `plugins`, `logs`, `validate`",
        "bunsui.toml:18:1 unknown_key unknown setting `local.stat` / did you mean `state`?",
        "bunsui.toml:19:9 invalid_value `` is not a value of `local.state`: it has to be a path / -",
    ]);
}

#[test]
fn a_prefix_is_one_that_the_templates_take() {
    let finding = "bunsui.toml:2:10 invalid_value `my_team` is not a value of `aws.prefix`: it has to be at most 32 letters, digits and `-`, a letter first and a `-` last, such as `bunsui-` / -";
    case(&[("project/deep/bunsui.toml", "[aws]\nprefix = \"my_team\"\n")], &[]).check_findings(&[finding]);
}

#[test]
fn what_is_wrong_in_another_environment_is_found_too() {
    let files = [("project/deep/bunsui.toml", "[env.production]\nbackend = 1\n")];
    case(&files, &[]).check_findings(&[
        "bunsui.toml:2:11 wrong_type `backend` is an integer, but has to be a string / put it in quotes",
    ]);
}

#[test]
fn environments_have_to_exist() {
    let project = ("project/bunsui.toml", "[env.production]\n[env.staging]\n");
    let known = "The environments are `production`, `staging`";
    case(&[project], &[])
        .environment("prodction")
        .check_error(&format!("there is no environment `prodction` / did you mean `production`? {known}"));
    case(&[project], &[])
        .environment("x")
        .check_error("there is no environment `x` / known here: `production`, `staging`");
    case(&[("project/bunsui.toml", "")], &[]).environment("x").check_error(
        "there is no environment `x` / bunsui.toml has no environments; a section `[env.x]` would be one",
    );
    case(&[], &[])
        .environment("x")
        .check_error("there is no environment `x` / there is no bunsui.toml in this folder or above it");
}

#[test]
fn variables_have_to_be_settings_and_fit() {
    case(&[], &[("BUNSUI_LOCAL__SATE", "x")]).check_error(
        "`BUNSUI_LOCAL__SATE` is in the environment, but there is no such setting / did you mean `BUNSUI_LOCAL__STATE`?",
    );
    case(&[], &[("BUNSUI_BACKEND", "amazon")])
        .check_error("`BUNSUI_BACKEND` is `amazon`, but has to be one of `local`, `aws` / -");
    case(&[], &[("BUNSUI_BACKEND", "locl")]).check_error(
        "`BUNSUI_BACKEND` is `locl`, but has to be one of `local`, `aws` / did you mean `local`?",
    );
    case(&[], &[("BUNSUI_AWS__ACCOUNT", "12")])
        .check_error("`BUNSUI_AWS__ACCOUNT` is `12`, but has to be the twelve digits of an account / -");
    case(&[], &[("BUNSUI_VALIDATE__DENY", "bunsui::a, b")]).check_error(
        "`BUNSUI_VALIDATE__DENY` is `bunsui::a, b`, but has to be a code that `bunsui explain` lists, such as `bunsui::reference::not_evaluated` / -",
    );
}

#[test]
fn a_folder_without_a_name_is_refused() {
    let mut case = case(&[], &[]);
    case.surroundings.directory = std::path::PathBuf::new();
    let error = load(&case.surroundings, &case.overrides).expect_err("no folder");
    assert!(matches!(error, SettingsError::UnusableFolder { .. }), "{error:?}");
}

#[test]
fn a_folder_called_bunsui_toml_is_passed_over() {
    let case = case(&[("project/bunsui.toml", "backend = \"aws\"\n")], &[]);
    fs::create_dir(case.surroundings.directory.join("bunsui.toml")).expect("made");
    case.check(&[r#"backend = "aws"  # ../bunsui.toml:1"#]);
}

#[test]
fn the_user_guide_has_every_setting() {
    let guide = include_str!("../../docs/user-guide.md");
    let guides = format!("{guide}{}", include_str!("../../docs/aws.md"));
    for key in key::KEYS {
        if key.section.contains('.') {
            // One row for the section, in which, or in the page that it points to, each name stands.
            assert!(guide.contains(&format!("| `{}.<", key.section)), "no row for {}", key.section);
            let names = [format!("`{}`", key.name), format!("\n{} = ", key.name)];
            assert!(names.iter().any(|name| guides.contains(name)), "nothing of {}", key.path());
            continue;
        }
        let cells = format!("| `{}` | `{}` |", key.path(), key.variable());
        assert!(guide.contains(&cells), "no row that begins with {cells}");
    }
}

#[test]
fn only_the_users_own_plugins_are_trusted() {
    let paths = "[plugins]\npaths = [\"a\"]\n";
    let is_trusted = |files: &[(&str, &str)], variables: &[(&str, &str)]| {
        case(files, variables).load().plugins.are_paths_trusted
    };
    let (user, project) = (("home/.config/bunsui/config.toml", paths), ("project/bunsui.toml", paths));
    assert!(is_trusted(&[], &[]));
    assert!(is_trusted(&[user], &[]));
    assert!(!is_trusted(&[project], &[]));
    assert!(!is_trusted(&[user, project], &[]), "the project's replace the user's");
    assert!(
        is_trusted(&[project], &[("BUNSUI_PLUGINS__PATHS", "b")]),
        "the environment's replace the project's"
    );
}
