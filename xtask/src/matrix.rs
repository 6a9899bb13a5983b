//! `cargo xtask matrix`: builds a program that starts processes in every way, and runs it.
//!
//! How a process of ours begins depends on what the linker makes of a program, so it is tried: linkers, profiles,
//! static and dynamic, test harnesses; and on the file that the program was, so that is taken away.

use crate::{Failure, workspace};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The probe's files.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../matrix/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../matrix/src/lib.rs")),
    ("src/main.rs", include_str!("../matrix/src/main.rs")),
    ("tests/own_harness.rs", include_str!("../matrix/tests/own_harness.rs")),
    ("benches/criterion.rs", include_str!("../matrix/benches/criterion.rs")),
    ("examples/example.rs", include_str!("../matrix/examples/example.rs")),
    ("examples/host.rs", include_str!("../matrix/examples/host.rs")),
];

/// A run of the probe that takes longer hangs.
const LONGEST_RUN: Duration = Duration::from_secs(60);
/// The user to whom a set-uid program is given: nobody.
const NOBODY: u32 = 65534;

/// One way to build a program.
struct Way {
    name: &'static str,
    flags: &'static str,
    profile: &'static str,
}

const WAYS: [Way; 7] = [
    Way { name: "as cargo builds it", flags: "", profile: "dev" },
    Way { name: "GNU ld", flags: "-Clinker-features=-lld", profile: "dev" },
    Way { name: "LTO, one unit, small, stripped", flags: "", profile: "small" },
    Way { name: "panic = \"abort\"", flags: "", profile: "abort" },
    Way { name: "prefer-dynamic", flags: "-Cprefer-dynamic", profile: "dev" },
    Way { name: "static", flags: "-Ctarget-feature=+crt-static", profile: "dev" },
    Way {
        name: "static, at a fixed address",
        flags: "-Ctarget-feature=+crt-static -Crelocation-model=static",
        profile: "dev",
    },
];

/// Runs the command.
pub(crate) fn run() -> Result<(), Failure> {
    let begin = Instant::now();
    let probe = Probe::lay_out()?;
    let mut failures = 0;
    let mut told = |name: &str, done: Result<&str, Failure>| {
        let seconds = begin.elapsed().as_secs();
        match done {
            Ok(how) => println!("{how:8} {name} ({seconds} s so far)"),
            Err(failure) => {
                failures += 1;
                println!("FAILED   {name}: {failure}");
            }
        }
    };
    for way in &WAYS {
        let done = probe.build(way).and_then(|program| probe.check(&program, &[]));
        told(way.name, done.map(|()| "ok"));
    }
    let program = probe.build(&WAYS[0])?;
    for fate in ["deleted", "replaced"] {
        let copy = probe.copy(&program, fate);
        told(
            &format!("its file is {fate} while it runs"),
            copy.and_then(|copy| probe.check(&copy, &[fate])).map(|()| "ok"),
        );
    }
    told("with more rights than its user, refused", probe.privileged(&program));
    told("tests, own harness", probe.cargo(&["test", "--lib", "--tests", "-q"]).map(|_| "ok"));
    told("doc tests", probe.cargo(&["test", "--doc", "-q"]).map(|_| "ok"));
    told("one test at a time, as nextest does", probe.one_test().map(|()| "ok"));
    told(
        "criterion",
        probe.cargo(&["test", "--bench", "criterion", "-q", "--", "--test"]).map(|_| "ok"),
    );
    told("examples", probe.cargo(&["run", "--example", "example", "-q"]).map(|_| "ok"));
    told("from a shared object, refused", probe.plugin().map(|()| "ok"));
    if failures == 0 { Ok(()) } else { Err(format!("{failures} ways failed").into()) }
}

/// The probe's package, under `target/`.
struct Probe {
    folder: PathBuf,
}

impl Probe {
    fn lay_out() -> Result<Self, Failure> {
        let root = workspace::root().canonicalize()?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map(|target| root.join(target));
        let folder = target.unwrap_or_else(|| root.join("target")).join("matrix");
        let crate_folder = root.join("crates/proc-spawn");
        let crate_folder = crate_folder.to_str().ok_or("the path is no text")?;
        for (name, text) in FILES {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            let text = text.replace("@PROC_SPAWN@", crate_folder);
            // Left alone when it is the same, or cargo would build again.
            if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                fs::write(path, text)?;
            }
        }
        // The versions that the workspace has been tested with.
        if !folder.join("Cargo.lock").exists() {
            fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        }
        Ok(Self { folder })
    }

    fn command(&self, flags: &str) -> Command {
        let mut command = workspace::cargo();
        // One folder for each set of flags, so that a second run builds nothing.
        let name: String = flags.chars().filter(char::is_ascii_alphanumeric).collect();
        command
            .current_dir(&self.folder)
            .env("RUSTFLAGS", flags)
            .env("CARGO_TARGET_DIR", self.target(&name))
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .stdin(Stdio::null());
        command
    }

    fn target(&self, name: &str) -> PathBuf {
        self.folder.join(format!("target-{name}"))
    }

    /// Builds the program and returns its path.
    fn build(&self, way: &Way) -> Result<PathBuf, Failure> {
        let mut command = self.command(way.flags);
        command.args(["build", "-q", "--bin", "matrix-probe", "--profile", way.profile]);
        command.args(["--message-format", "json-render-diagnostics"]);
        let host = host()?;
        // With a target the flags are not for build scripts and macros, which cannot be static.
        command.args(["--target", &host]);
        let output = succeed(&mut command, Duration::from_secs(600))?;
        let text = String::from_utf8(output.stdout)?;
        let messages = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        messages
            .filter_map(|message: serde_json::Value| Some(message["executable"].as_str()?.into()))
            .next_back()
            .ok_or_else(|| "cargo named no program".into())
    }

    /// Runs the program: it must say that all is well, and reach `main` once.
    fn check(&self, program: &Path, arguments: &[&str]) -> Result<(), Failure> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
        // For one that is linked dynamically.
        command.env("LD_LIBRARY_PATH", library_path()?);
        let output = succeed(&mut command, LONGEST_RUN)?;
        match String::from_utf8_lossy(&output.stdout).as_ref() {
            "main\nok\n" => Ok(()),
            text => Err(format!("it printed {text:?}").into()),
        }
    }

    fn copy(&self, program: &Path, name: &str) -> Result<PathBuf, Failure> {
        let copy = self.folder.join(format!("probe-{name}"));
        let _ = fs::remove_file(&copy);
        // By another process: one that we start at this moment would make the copy "busy".
        succeed(Command::new("cp").arg(program).arg(&copy), LONGEST_RUN)?;
        Ok(copy)
    }

    /// A program that has more rights than its user starts nothing, and is not started.
    fn privileged(&self, program: &Path) -> Result<&'static str, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Ok("skipped"); // Only root can give a program to somebody else.
        }
        // Where everybody may come, and programs may be set-uid.
        let folder = std::env::temp_dir().join(format!("matrix-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let copy = folder.join("probe");
        let outcome = (|| {
            fs::copy(program, &copy)?;
            std::os::unix::fs::chown(&copy, Some(NOBODY), Some(NOBODY))?;
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755))?;
            let mut command = Command::new(&copy);
            let output = succeed(command.arg("privileged").stdin(Stdio::null()), LONGEST_RUN)?;
            match String::from_utf8_lossy(&output.stdout).as_ref() {
                "main\nrefused\n" => {}
                text => return Err(format!("it printed {text:?}").into()),
            }
            let mut command = Command::new(&copy);
            command.env(variable(), "1:0").stdin(Stdio::null());
            let output = finish(&mut command, LONGEST_RUN)?;
            let (code, out) = (output.status.code(), output.stdout);
            if code != Some(71) || !out.is_empty() {
                return Err(format!("as a child it ended with {code:?}: {out:?}").into());
            }
            Ok("ok")
        })();
        let _ = fs::remove_dir_all(&folder);
        outcome
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Output, Failure> {
        succeed(self.command("").args(arguments), Duration::from_secs(600))
    }

    fn one_test(&self) -> Result<(), Failure> {
        let arguments = ["test", "--lib", "-q", "--", "--exact", "tests::in_a_test", "--nocapture"];
        let output = self.cargo(&arguments)?;
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("1 passed") { Ok(()) } else { Err(text.into_owned().into()) }
    }

    fn plugin(&self) -> Result<(), Failure> {
        let plugin = self.target("").join("debug/libmatrix_probe.so");
        self.cargo(&["build", "--lib", "-q"])?;
        let plugin = plugin.to_str().ok_or("the path is no text")?;
        self.cargo(&["run", "--example", "host", "-q", "--", plugin]).map(drop)
    }
}

/// The variable that makes a process a child: the one of this version.
fn variable() -> String {
    format!("__PROC_SPAWN_{}", env!("CARGO_PKG_VERSION").replace('.', "_"))
}

fn rustc(arguments: &[&str]) -> Result<String, Failure> {
    let output = succeed(Command::new("rustc").args(arguments), LONGEST_RUN)?;
    Ok(String::from_utf8(output.stdout)?)
}

fn host() -> Result<String, Failure> {
    let text = rustc(&["-vV"])?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not tell its host")?.to_owned())
}

fn library_path() -> Result<PathBuf, Failure> {
    let root = rustc(&["--print", "sysroot"])?;
    Ok(Path::new(root.trim()).join("lib/rustlib").join(host()?).join("lib"))
}

/// Runs a command to its end; killed when it takes too long.
fn finish(command: &mut Command, longest: Duration) -> Result<Output, Failure> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn()?;
    let pid = rustix::process::Pid::from_child(&child);
    let (done, over) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        use std::sync::mpsc::RecvTimeoutError::Timeout;
        if over.recv_timeout(longest) == Err(Timeout) {
            // Not reaped yet: the number is still its own.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    let output = child.wait_with_output();
    drop(done);
    let _ = watchdog.join();
    Ok(output?)
}

fn succeed(command: &mut Command, longest: Duration) -> Result<Output, Failure> {
    let output = finish(command, longest)?;
    if output.status.success() {
        return Ok(output);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    Err(format!("{}: {text}{error}", output.status).into())
}
