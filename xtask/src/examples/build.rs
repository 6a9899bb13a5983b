//! Builds all examples, and says where they are.

use super::checks::{EXAMPLES, Example};
use crate::Failure;
use crate::workspace;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The package that they are in.
const PACKAGE: &str = "multiproc-examples";

/// Where the executable of each example is.
#[derive(Debug)]
pub(crate) struct Executables(BTreeMap<String, PathBuf>);

impl Executables {
    /// Expects them in a folder, by their names.
    pub(crate) fn within(folder: &Path) -> Self {
        let path = |example: &Example| (example.name.to_string(), folder.join(example.name));
        Self(EXAMPLES.iter().map(path).collect())
    }

    pub(crate) fn path(&self, name: &str) -> Result<&Path, Failure> {
        let path = self.0.get(name).map(PathBuf::as_path);
        path.ok_or_else(|| format!("`{name}` is no example of the package {PACKAGE}").into())
    }
}

/// Builds the examples with the profile of this program.
pub(crate) fn build() -> Result<Executables, Failure> {
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--examples", "--package", PACKAGE]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let done = cargo.stderr(Stdio::inherit()).output()?;
    if !done.status.success() {
        return Err(format!("the examples cannot be built: cargo's {}", done.status).into());
    }
    Ok(Executables(executables(&String::from_utf8(done.stdout)?)))
}

/// Finds the executables of examples in cargo's messages, one in a line.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let target = &message["target"];
        let is_example = target["kind"][0] == "example";
        if let (Some(name), Some(path)) = (target["name"].as_str(), message["executable"].as_str())
            && is_example
        {
            found.insert(name.to_string(), PathBuf::from(path));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_examples_are_taken_from_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"pace"},"executable":null}"#,
            "\nno message\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"b"},"executable":"/b"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["example"],"name":"e"},"executable":"/t/e"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executables(messages), [("e".to_string(), PathBuf::from("/t/e"))].into());
    }
}
