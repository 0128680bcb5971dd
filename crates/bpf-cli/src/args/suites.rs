//! The command line as conformance suites give it.
//!
//! They run a plugin by its path alone, with the memory as first argument and
//! all options as second one, in one piece or empty.

use std::ffi::OsString;
use std::path::Path;

/// The name under which the tool is `kbpf plugin`, for instance by a link.
const PLUGIN: &str = "kbpf-plugin";

/// The command line with the arguments of `kbpf plugin` told apart; any other
/// command line as it is.
pub fn normalized(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut out: Vec<OsString> = args.next().into_iter().collect();
    let name = out.first().and_then(|path| Path::new(path).file_stem());
    if name.is_some_and(|name| name == PLUGIN) {
        out.push("plugin".into());
    } else {
        out.extend(args.next());
    }
    if out.get(1).is_none_or(|command| command != "plugin") {
        out.extend(args);
        return out;
    }
    for (index, arg) in args.enumerate() {
        match arg.to_str() {
            // No memory is an argument of its own; no options are none.
            Some("") if index > 0 => {}
            Some(text) if text.starts_with('-') => {
                out.extend(text.split_whitespace().map(OsString::from));
            }
            _ => out.push(arg),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(args: &[&str], expected: &[&str]) {
        assert_eq!(normalized(args.iter().map(OsString::from)), expected);
    }

    #[test]
    fn options_in_one_piece_are_told_apart() {
        let expected = ["kbpf", "plugin", "01  02", "--engine", "jit"];
        becomes(&["kbpf", "plugin", "01  02", "--engine jit"], &expected);
        becomes(&expected, &expected);
    }

    #[test]
    fn empty_memory_and_empty_options() {
        becomes(&["kbpf", "plugin", "", ""], &["kbpf", "plugin", ""]);
        becomes(&["kbpf", "plugin"], &["kbpf", "plugin"]);
        becomes(&["kbpf"], &["kbpf"]);
    }

    #[test]
    fn the_name_stands_for_the_command() {
        becomes(&["/bin/kbpf-plugin", "01", ""], &["/bin/kbpf-plugin", "plugin", "01"]);
    }

    #[test]
    fn other_commands_are_left_alone() {
        let args = ["kbpf", "verify", "", "--a b"];
        becomes(&args, &args);
    }
}
