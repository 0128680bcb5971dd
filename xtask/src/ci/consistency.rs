//! The two builds answer alike.
//!
//! The test `semantic_consistency` writes one line for each case of its corpus,
//! name and digest with a tab between, to `$KBPF_DIGEST_DIR/<profile>.txt`. A
//! case that a profile refuses says `refused:` and the reason instead.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Context, Step};
use crate::repo::{self, Profile};

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::new("semantic consistency across profiles", compare)]
}

fn compare(context: &Context) -> Result<()> {
    let dir = repo::work_dir(&context.root, "digests")?;
    let mut texts = Vec::new();
    for profile in Profile::ALL {
        let file = dir.join(format!("{}.txt", profile.name()));
        if file.exists() {
            fs::remove_file(&file)?;
        }
        context
            .cargo(["test", "--features", profile.feature(), "--test", "semantic_consistency"])
            .env("KBPF_DIGEST_DIR", &dir)
            .check(&context.log)?;
        let text = fs::read_to_string(&file)
            .with_context(|| format!("the test left no {}", file.display()))?;
        texts.push(text);
    }
    let (cloud, embedded) = (parse(&texts[0])?, parse(&texts[1])?);
    let refusals = agree(&cloud, &embedded)?;
    println!("    {} cases, {} refused by one profile", cloud.len(), refusals.len());
    for refusal in refusals {
        println!("    {refusal}");
    }
    Ok(())
}

fn parse(text: &str) -> Result<BTreeMap<&str, &str>> {
    let mut answers = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (case, answer) =
            line.split_once('\t').with_context(|| format!("no tab in `{line}`"))?;
        ensure!(answers.insert(case, answer).is_none(), "two answers for `{case}`");
    }
    ensure!(!answers.is_empty(), "no cases");
    Ok(answers)
}

/// Compares line by line; returns what one profile alone refuses.
fn agree(cloud: &BTreeMap<&str, &str>, embedded: &BTreeMap<&str, &str>) -> Result<Vec<String>> {
    let mut refusals = Vec::new();
    let mut differences = Vec::new();
    for case in cloud.keys().chain(embedded.keys().filter(|case| !cloud.contains_key(*case))) {
        match (cloud.get(case), embedded.get(case)) {
            (Some(here), Some(there)) if here == there => {}
            (Some(here), Some(there)) => match (reason(here), reason(there)) {
                (None, Some(why)) => refusals.push(format!("{case}: embedded refuses: {why}")),
                (Some(why), None) => refusals.push(format!("{case}: cloud refuses: {why}")),
                _ => differences.push(format!("{case}: cloud {here}, embedded {there}")),
            },
            (here, _) => {
                let missing = if here.is_some() { "embedded" } else { "cloud" };
                differences.push(format!("{case}: {missing} has no answer"));
            }
        }
    }
    if !differences.is_empty() {
        bail!("{} cases differ:\n{}", differences.len(), differences.join("\n"));
    }
    Ok(refusals)
}

fn reason(answer: &str) -> Option<&str> {
    answer.strip_prefix("refused:").map(str::trim).filter(|why| !why.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{agree, parse};

    #[test]
    fn refusals_need_a_reason_and_answers_must_match() {
        let cloud = parse("a\t1\nb\t2\n").unwrap();
        let refused = parse("a\t1\nb\trefused: no LPM\n").unwrap();
        assert_eq!(agree(&cloud, &refused).unwrap(), ["b: embedded refuses: no LPM"]);
        for other in ["a\t1\n", "a\t1\nb\t3\n", "a\t1\nb\trefused:\n", "a\t1\nb\t2\nc\t3\n"] {
            agree(&cloud, &parse(other).unwrap()).unwrap_err();
        }
        parse("").unwrap_err();
        parse("a\t1\na\t1\n").unwrap_err();
    }
}
