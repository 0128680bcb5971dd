//! Both profiles, or none: the build stops with one error that says what to do.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Context, Step};
use crate::process::Run;
use crate::repo::{LAYERS, Profile, TOP};

/// One step for each way to choose wrongly.
pub fn steps() -> Vec<Step> {
    vec![
        Step::new("mutual exclusion: both profiles", |context| {
            refused(context, &["--features", "cloud-profile,embedded-profile"])
        }),
        Step::new("mutual exclusion: no profile", |context| refused(context, &[])),
    ]
}

fn refused(context: &Context, features: &[&str]) -> Result<()> {
    one_error(context, &[], features)?;
    let libraries = LAYERS.iter().map(|layer| layer.name);
    for package in libraries.chain(TOP.iter().copied()) {
        one_error(context, &["-p", package], features)?;
    }
    Ok(())
}

fn one_error(context: &Context, packages: &[&str], features: &[&str]) -> Result<()> {
    let run = Run::cargo(&context.root)
        .args(["build", "--message-format=json"])
        .args(packages)
        .args(features);
    let text = run.text().to_string();
    let output = run.output()?;
    output.keep(&context.log, &text)?;
    ensure!(!output.status.success(), "`{text}` succeeds");
    let errors = errors(&output.stdout);
    ensure!(
        errors.len() == 1,
        "`{text}` stops with {} errors instead of one: {errors:#?}",
        errors.len()
    );
    let error = &errors[0];
    for profile in Profile::ALL {
        ensure!(
            error.contains(profile.feature()),
            "`{text}` stops without naming {}: {error}",
            profile.feature()
        );
    }
    ensure!(error.contains("compile_error!"), "`{text}` stops at something else: {error}");
    Ok(())
}

/// The compiler's errors, rendered, among cargo's messages.
fn errors(messages: &str) -> Vec<String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-message")
        .filter(|message| message["message"]["level"] == "error")
        .filter_map(|message| message["message"]["rendered"].as_str().map(String::from))
        .filter(|rendered| !rendered.starts_with("error: aborting due to"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::errors;

    #[test]
    fn counts_errors_of_the_compiler_only() {
        let messages = r#"{"reason":"compiler-artifact"}
{"reason":"compiler-message","message":{"level":"warning","rendered":"warning: w"}}
{"reason":"compiler-message","message":{"level":"error","rendered":"error: choose"}}
{"reason":"compiler-message","message":{"level":"error","rendered":"error: aborting due to 1"}}
not json"#;
        assert_eq!(errors(messages), ["error: choose"]);
    }
}
