//! What cannot be sent is refused by the compiler, in words that help.

use std::process::Command;

/// The compiler whose words the `.stderr` files hold: they change from version to version. That
/// the programs are refused at all, the doc tests of `Args` check with every compiler.
const RECORDED: &str = "rustc 1.95.";

#[test]
fn refused_by_the_compiler() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if version.starts_with(RECORDED) {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    } else {
        println!("not compared: this is {version}, and the texts are those of {RECORDED}");
    }
}
