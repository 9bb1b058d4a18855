//! The invariants of `ARCHITECTURE.md`, held against the source.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the source must fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in layers, outermost first. A module imports what stands on a
/// later line; nothing on an earlier line, and nothing beside it.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["verbs"],
    &["app"],
    &["config"],
    &["server"],
    &["audit", "catalog", "discounts", "doctor", "links", "orders", "payments", "shipping"],
    &["error"],
    &["endings"],
    &["operations"],
    &["auth", "stripe", "storage"],
    &["contract"],
    &["caller", "clock", "dice", "kept", "planted", "telemetry", "pb"],
];

/// A file may have this many lines, tests of its own included.
const LINES_MAX: usize = 400;
/// A line may have this many characters.
const COLUMNS_MAX: usize = 100;

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

/// Reads every Rust file below `src`, with the top-level module that it belongs to.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let first = inside.iter().next().unwrap().to_str().unwrap();
                let module = first.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, module, text });
            }
        }
    }
    assert!(found.len() > 50, "the source is where this test looks for it");
    found
}

/// The part of a file that is not its own tests.
fn without_tests(source: &Source) -> &str {
    let is_tests = source.path.iter().any(|part| part == "tests" || part == "tests.rs");
    if is_tests {
        return "";
    }
    source.text.split("#[cfg(test)]").next().unwrap()
}

/// Names the top-level modules of ours that a text mentions.
fn mentioned(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split(';').next().unwrap();
            let mut depth = 1;
            let mut name = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => names.push(std::mem::take(&mut name)),
                    c if depth == 1 => name.push(c),
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            names.push(name);
        } else {
            names.push(rest.to_owned());
        }
    }
    let first_word = |name: &String| {
        let name = name.trim();
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        name[..end].to_owned()
    };
    names.iter().map(first_word).filter(|name| !name.is_empty()).collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[test]
fn modules_import_only_what_stands_below_them() {
    let mut wrong = Vec::new();
    for source in sources() {
        if matches!(source.module.as_str(), "lib" | "sandbox") {
            continue;
        }
        let from = layer(&source.module)
            .unwrap_or_else(|| panic!("{} is in no layer", source.path.display()));
        for name in mentioned(&source.text) {
            let allowed = match layer(&name) {
                Some(to) => to > from || name == source.module,
                None => name == "sandbox" && ["verbs", "app", "config"].contains(&&*source.module),
            };
            if !allowed {
                wrong.push(format!("{} imports {name}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_module_is_in_a_layer_and_every_layer_exists() {
    let mut modules: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources() {
        *modules.entry(source.module).or_default() += 1;
    }
    for module in LAYERS.iter().copied().flatten() {
        assert!(modules.remove(*module).is_some(), "{module} does not exist");
    }
    let rest: Vec<_> = modules.into_keys().collect();
    assert_eq!(rest, ["lib", "sandbox"]);
}

#[test]
fn the_sandbox_knows_nothing_of_the_service() {
    for source in sources().iter().filter(|source| source.module == "sandbox") {
        for name in mentioned(&source.text) {
            assert_eq!(name, "sandbox", "{}", source.path.display());
        }
        for library in ["sqlx", "reqwest"] {
            assert_unused(source, library);
        }
        // Its own control is served over gRPC, and nothing else of it knows.
        if !source.path.iter().any(|part| part == "control" || part == "control.rs") {
            for library in ["tonic", "prost", "prost_types", "tonic_reflection"] {
                assert_unused(source, library);
            }
        }
    }
}

#[test]
fn each_library_of_the_outside_world_has_one_room() {
    for (library, rooms) in [
        ("reqwest", &["stripe", "kept"][..]),
        ("form_urlencoded", &["stripe", "sandbox"]),
        ("serde_json", &["stripe", "sandbox", "auth", "telemetry", "verbs"]),
        ("jsonwebtoken", &["auth"]),
        ("x509_parser", &["auth"]),
        ("sqlx", &["storage"]),
        ("prost_reflect", &["pb"]),
        ("figment2", &["config"]),
        ("opentelemetry_sdk", &["telemetry"]),
        ("askama", &["sandbox"]),
    ] {
        for source in sources().iter().filter(|s| !rooms.contains(&&*s.module)) {
            assert_unused(source, library);
        }
    }
}

#[test]
fn only_the_error_module_names_a_status_code() {
    for source in sources().iter().filter(|source| source.module != "error") {
        let text = without_tests(source);
        let named =
            text.contains("tonic::Code") || text.contains("Code::") && text.contains("tonic");
        let http = text.contains("StatusCode::");
        assert!(!named || http, "{} names a gRPC code", source.path.display());
    }
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    for pure in ["payments/ledger", "/rules", "stripe/wire", "contract"] {
        for source in sources() {
            let path = source.path.to_string_lossy().into_owned();
            if !path.contains(pure) {
                continue;
            }
            for world in ["tokio", "std::fs", "std::net", "Instant::now", "SystemTime", "now()"] {
                assert!(!without_tests(&source).contains(world), "{path} uses {world}");
            }
        }
    }
}

#[test]
fn only_the_configuration_reads_the_environment() {
    for source in sources().iter().filter(|source| source.module != "config") {
        for reading in ["env::var", "env::vars", "env::args"] {
            assert!(
                !without_tests(source).contains(reading),
                "{} reads the environment",
                source.path.display()
            );
        }
    }
}

#[test]
fn files_and_lines_stay_short() {
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.display();
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{path} has {lines} lines"));
        }
        for (number, line) in source.text.lines().enumerate() {
            // An address and a row of a table cannot be broken.
            let whole = line.contains("http") || line.trim_start().starts_with("//! |");
            if line.chars().count() > COLUMNS_MAX && !whole {
                wrong.push(format!("{path}:{} is longer than {COLUMNS_MAX}", number + 1));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_file_is_a_drawer_and_nothing_is_left_for_later() {
    for source in sources() {
        let stem = source.path.file_stem().unwrap().to_str().unwrap();
        let drawers =
            ["util", "utils", "common", "core", "helper", "helpers", "misc", "types", "mod"];
        assert!(!drawers.contains(&stem), "{}", source.path.display());
        for word in ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "#[ignore"] {
            assert!(!source.text.contains(word), "{} has {word}", source.path.display());
        }
    }
}

fn assert_unused(source: &Source, library: &str) {
    let text = without_tests(source);
    let used = [format!("use {library}::"), format!("use {library};"), format!("{library}::")];
    let found = used.iter().any(|using| {
        text.match_indices(using.as_str())
            .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    });
    assert!(!found, "{} uses {library}", source.path.display());
}
