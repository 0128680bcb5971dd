//! Running the binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The profile of this build.
pub const PROFILE: &str = if cfg!(feature = "cloud-profile") { "cloud" } else { "embedded" };

/// What a run of the tool gave.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none where a signal ended the process.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The output of a run that ended with `code`.
    #[track_caller]
    pub fn ended(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.out
    }

    /// The JSON output of a run that ended with `code`.
    #[track_caller]
    pub fn json(self, code: i32) -> serde_json::Value {
        serde_json::from_str(&self.ended(code)).unwrap()
    }

    /// The error of a run that ended with `code`.
    #[track_caller]
    pub fn error(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.err
    }
}

/// Runs the tool with the repository as working directory.
pub fn kbpf(args: &[&str]) -> Ran {
    kbpf_with_input(args, "")
}

/// Runs the tool with something on its standard input.
pub fn kbpf_with_input(args: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kbpf"))
        .args(args)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The tool may end before it has read everything.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Milliseconds for a search: more than it needs, unless the machine has other things
/// to do.
pub const PATIENCE: &str = "20000";

/// Programs with offsets that are wrong for some inputs.
pub const OFFSETS: &str = "crates/bpf-cli/tests/objects/offsets.bpf.o";
/// Programs with mistakes.
pub const MISTAKES: &str = "crates/bpf-cli/tests/objects/mistakes.bpf.o";

/// The capture.
pub const CAPTURE: &str = "examples/captures/traffic.pcap";

/// The path of an example object.
pub fn example(name: &str) -> String {
    format!("examples/programs/{name}.bpf.o")
}

/// A file that is deleted when the test is done.
pub struct TempFile(PathBuf);

impl TempFile {
    /// A file of this name, of which no other test has one, with these bytes.
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("kbpf-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Compares text with a snapshot of this profile, without what depends on the
/// machine or on how precise the verifier is at the moment.
#[macro_export]
macro_rules! assert_text {
    ($text:expr) => {
        insta::with_settings!({
            snapshot_suffix => $crate::support::PROFILE,
            filters => vec![
                (r"processed \d+ insns.*", "processed [N] insns, [statistics]"),
                (r"WCET \d+", "WCET [N]"),
                (r"executes \d+ insns", "executes [N] insns"),
                (r"(?m)^ +with .*$", "        with [state]"),
                (r"\d+ ns each", "[T] ns each"),
                (r", \d+ times", ", [N] times"),
                (r"\d+ insns executed", "[N] insns executed"),
                (r"none found in \d+ runs", "none found in [N] runs"),
                (r"(?m)^ +(packet|frame|context): .*$", "        [input]"),
                (r"still running after \d+", "still running after [N]"),
            ],
        }, { insta::assert_snapshot!($text) });
    };
}

/// Compares JSON with a snapshot of this profile, likewise.
#[macro_export]
macro_rules! assert_json {
    ($json:expr) => {
        let mut json = $json;
        $crate::support::redact(&mut json);
        insta::with_settings!({ snapshot_suffix => $crate::support::PROFILE }, {
            insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap())
        });
    };
}

/// Blanks what depends on the machine or on the verifier's precision.
pub fn redact(json: &mut serde_json::Value) {
    const BLANKED: [&str; 11] = [
        "time_us",
        "ns_per_run",
        "processed",
        "total_states",
        "peak_states",
        "workspace_bytes",
        "wcet",
        "state",
        "runs",
        "executed",
        "input",
    ];
    match json {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if BLANKED.contains(&name.as_str()) && !value.is_null() {
                    *value = "[redacted]".into();
                }
                redact(value);
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}
