//! The demo's quick variant: every object on every engine, and one answer.

use anyhow::Result;

use super::{Context, Step};
use crate::demo::{self, Options};

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::new("demo", run)]
}

fn run(context: &Context) -> Result<()> {
    let options = Options { quick: true, ..Options::default() };
    // The tables are for people who watch; here the last line counts.
    let line = demo::compare(&context.root, &options, &context.log, &mut |_| {})?;
    println!("    {line}");
    Ok(())
}
