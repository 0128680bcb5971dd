//! The README names only commands that exist.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::{Context, Step};

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::new("readme", check)]
}

fn check(context: &Context) -> Result<()> {
    let text = fs::read_to_string(context.root.join("README.md")).context("read README.md")?;
    for command in mentioned(&text, "cargo xtask ") {
        ensure!(
            crate::COMMANDS.iter().any(|(name, _)| *name == command),
            "README.md mentions `cargo xtask {command}`, which does not exist"
        );
    }
    for command in mentioned(&text, "kbpf ") {
        let run = [
            "run",
            "--quiet",
            "-p",
            "bpf-cli",
            "--features",
            "cloud-profile",
            "--",
            &command,
            "--help",
        ];
        context.cargo(run).check(&context.log).with_context(|| {
            format!("README.md mentions `kbpf {command}`, which does not exist")
        })?;
    }
    Ok(())
}

/// The words after `prefix`, where code begins with it: a line of a block, or a
/// span between backticks.
fn mentioned(text: &str, prefix: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            block = !block;
            continue;
        }
        let spans: Vec<&str> = if block {
            vec![line.trim_start().trim_start_matches("$ ")]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for span in spans {
            let Some(rest) = span.strip_prefix(prefix) else { continue };
            let word = rest.split_whitespace().next().unwrap_or_default();
            if !word.is_empty() && !word.starts_with('-') && !words.iter().any(|w| w == word) {
                words.push(word.to_string());
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::mentioned;

    #[test]
    fn finds_commands_in_blocks_and_spans() {
        let text = "Use `kbpf run F` or\n```sh\n$ kbpf verify x\nkbpf run y\n```\nnot kbpf text, \
                    `kbpf --help`";
        assert_eq!(mentioned(text, "kbpf "), ["run", "verify"]);
    }
}
