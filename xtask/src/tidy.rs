//! `cargo xtask tidy`: checks what the compiler does not.

use crate::examples::EXAMPLES;
use crate::{Failure, workspace};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// How many lines of code a file may have; blank lines and comments do not count.
const MOST_LINES: usize = 500;

/// The lints that examples need not keep: they print.
const PRINTING: [&str; 2] = ["print_stdout", "print_stderr"];

/// Runs the command.
pub(crate) fn run() -> Result<(), Failure> {
    let checked: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
    let findings = findings(&workspace::root(), &checked)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("{} findings", findings.len()).into()) }
}

/// Returns what is untidy in the workspace at `root`; `checked` are the examples that xtask checks.
fn findings(root: &Path, checked: &[&str]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    licences(root, &mut found);
    examples(root, checked, &mut found)?;
    manifests(root, &mut found)?;
    for folder in ["crates", "examples", "benches", "xtask"] {
        lengths(&root.join(folder), &mut found)?;
    }
    Ok(found)
}

fn licences(root: &Path, found: &mut Vec<String>) {
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        if !root.join(name).is_file() {
            found.push(format!("{name} is missing"));
        }
    }
}

/// Every example has a title, an entry in the manifest and a check; and the other way round.
fn examples(root: &Path, checked: &[&str], found: &mut Vec<String>) -> Result<(), Failure> {
    let folder = root.join("examples");
    let manifest = manifest(&folder)?;
    let mut listed = BTreeSet::new();
    for entry in manifest.get("example").and_then(Value::as_array).into_iter().flatten() {
        let word = |key| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, path) = (word("name"), word("path"));
        if path != format!("{name}.rs") {
            found.push(format!("examples/Cargo.toml: example `{name}` has the path `{path}`"));
        }
        listed.insert(name.to_string());
    }
    let checked: BTreeSet<String> = checked.iter().map(ToString::to_string).collect();
    let mut files = BTreeSet::new();
    for path in entries(&folder)? {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        let title = text.lines().next().and_then(|line| line.strip_prefix("//! "));
        if !title.is_some_and(|title| title.ends_with('.')) {
            found.push(format!("examples/{name}.rs: the first line is no `//! Title.`"));
        }
        files.insert(name);
    }
    let all: BTreeSet<&String> = files.iter().chain(&listed).chain(&checked).collect();
    for name in all {
        if !files.contains(name) {
            found.push(format!("examples/{name}.rs is missing"));
        }
        if !listed.contains(name) {
            found.push(format!("examples/Cargo.toml: `{name}` has no [[example]] entry"));
        }
        if !checked.contains(name) {
            found.push(format!("examples/{name}.rs: `cargo xtask examples` has no check for it"));
        }
    }
    Ok(())
}

/// Every package keeps the workspace's lints, and every crate says what it is.
fn manifests(root: &Path, found: &mut Vec<String>) -> Result<(), Failure> {
    let mut packages = entries(&root.join("crates"))?;
    packages.extend(["benches", "xtask"].map(|name| root.join(name)));
    for folder in packages.into_iter().filter(|folder| folder.join("Cargo.toml").is_file()) {
        let name = folder.strip_prefix(root).unwrap_or(&folder).display();
        let inherits =
            manifest(&folder)?.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        if inherits != Some(true) {
            found.push(format!("{name}/Cargo.toml: no `lints.workspace = true`"));
        }
        let library = folder.join("src/lib.rs");
        let documented = !library.is_file() || fs::read_to_string(&library)?.starts_with("//! ");
        if !documented && !folder.join("README.md").is_file() {
            found.push(format!("{name}: neither a README.md nor documentation in src/lib.rs"));
        }
    }
    let mut wanted =
        manifest(root)?.get("workspace").and_then(|workspace| workspace.get("lints")).cloned();
    if let Some(clippy) = wanted.as_mut().and_then(|lints| lints.get_mut("clippy")?.as_table_mut())
    {
        for lint in PRINTING {
            clippy.remove(lint);
        }
    }
    if manifest(&root.join("examples"))?.get("lints") != wanted.as_ref() {
        let but = PRINTING.join(" and ");
        found.push(format!("examples/Cargo.toml: [lints] are not the workspace's without {but}"));
    }
    Ok(())
}

fn lengths(folder: &Path, found: &mut Vec<String>) -> Result<(), Failure> {
    for path in entries(folder)? {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            lengths(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = code_lines(&fs::read_to_string(&path)?);
            if lines > MOST_LINES {
                let path = path.display();
                found.push(format!("{path}: {lines} lines of code, more than {MOST_LINES}"));
            }
        }
    }
    Ok(())
}

fn code_lines(text: &str) -> usize {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    text.lines().filter(is_code).count()
}

fn manifest(folder: &Path) -> Result<Table, Failure> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.parse().map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Returns what is in a folder, in the order of names; nothing where there is no such folder.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let checked: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
        let found = findings(&workspace::root(), &checked).unwrap();
        assert!(found.is_empty(), "{found:#?}");
    }

    /// A workspace with one crate and one example.
    fn tidy_tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let lints = "clippy]\nunwrap_used = \"warn\"\n";
        let example = "[[example]]\nname = \"one\"\npath = \"one.rs\"\n";
        for (path, text) in [
            ("LICENSE-APACHE", String::new()),
            ("LICENSE-MIT", String::new()),
            ("Cargo.toml", format!("[workspace.lints.{lints}print_stdout = \"warn\"\n")),
            ("examples/Cargo.toml", format!("[lints.{lints}{example}")),
            ("examples/one.rs", "//! One.\n".to_string()),
            ("crates/a/Cargo.toml", "[lints]\nworkspace = true\n".to_string()),
            ("crates/a/src/lib.rs", "//! A crate.\n".to_string()),
        ] {
            write(dir.path(), path, &text);
        }
        dir
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn each_kind_of_untidiness_is_found() {
        let tree = tidy_tree();
        assert_eq!(findings(tree.path(), &["one"]).unwrap(), Vec::<String>::new());
        assert_eq!(findings(tree.path(), &[]).unwrap().len(), 1, "an example without a check");
        assert_eq!(findings(tree.path(), &["one", "two"]).unwrap().len(), 2, "no file, no entry");

        let long = "fn f() {}\n".repeat(MOST_LINES + 1);
        for (path, text, sentence) in [
            ("examples/one.rs", "//! One\n", "no `//! Title.`"),
            ("examples/one.rs", "", "no `//! Title.`"),
            ("examples/Cargo.toml", "[lints.clippy]\nunwrap_used = \"warn\"\n", "no [[example]]"),
            ("examples/Cargo.toml", "[[example]]\nname = \"one\"\npath = \"one.rs\"\n", "[lints]"),
            (
                "examples/Cargo.toml",
                "[lints.clippy]\nunwrap_used = \"warn\"\n[[example]]\nname = \"one\"\npath = \"1.rs\"\n",
                "has the path `1.rs`",
            ),
            ("crates/a/Cargo.toml", "[lints]\nworkspace = false\n", "lints.workspace"),
            ("crates/a/Cargo.toml", "", "lints.workspace"),
            ("crates/a/src/lib.rs", "fn f() {}\n", "neither a README.md"),
            ("crates/a/src/deep/down.rs", &long, "501 lines of code"),
        ] {
            let tree = tidy_tree();
            write(tree.path(), path, text);
            let found = findings(tree.path(), &["one"]).unwrap();
            assert!(matches!(&found[..], [one] if one.contains(sentence)), "{sentence}: {found:?}");
        }

        fs::remove_file(tree.path().join("LICENSE-MIT")).unwrap();
        assert_eq!(findings(tree.path(), &["one"]).unwrap(), ["LICENSE-MIT is missing"]);
    }

    #[test]
    fn comments_and_blank_lines_are_no_code() {
        assert_eq!(code_lines("//! a\n\n    // b\nfn f() {\n}\n"), 2);
    }
}
