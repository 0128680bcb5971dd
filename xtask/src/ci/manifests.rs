//! What every manifest says.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use toml::{Table, Value};

use super::{Context, Step};
use crate::repo::{EXCLUDED, Package, Profile};

/// Fields that members take from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::new("manifests", check)]
}

fn check(context: &Context) -> Result<()> {
    let root = table(&context.root.join("Cargo.toml"))?;
    let workspace = root["workspace"].as_table().context("no [workspace]")?;
    let resolver = workspace.get("resolver").and_then(Value::as_str);
    ensure!(matches!(resolver, Some("2" | "3")), "resolver is {resolver:?}");
    for package in &context.packages {
        member(package).with_context(|| format!("package {}", package.name))?;
    }
    for folder in EXCLUDED {
        let manifest = context.root.join(folder).join("Cargo.toml");
        ensure!(
            workspace["exclude"].as_array().is_some_and(|list| list.contains(&(*folder).into())),
            "the workspace does not exclude {folder}"
        );
        if manifest.is_file() {
            excluded(&manifest, workspace).with_context(|| format!("package in {folder}"))?;
        }
    }
    Ok(())
}

fn member(package: &Package) -> Result<()> {
    let manifest = table(&package.manifest)?;
    for field in INHERITED {
        let value = manifest["package"].get(field);
        ensure!(is_inherited(value), "`{field}` is not the workspace's");
    }
    ensure!(is_inherited(manifest.get("lints")), "the lints are not the workspace's");
    if package.name == "xtask" {
        return Ok(());
    }
    for profile in Profile::ALL {
        let feature = profile.feature();
        ensure!(package.features.iter().any(|name| name == feature), "no feature {feature}");
    }
    let features = manifest["features"].as_table().context("[features]")?;
    let default = features.get("default").and_then(Value::as_array);
    ensure!(
        default.is_none_or(|list| list.iter().all(|name| !is_profile(name.as_str()))),
        "a profile is on by default"
    );
    for dependency in &package.project_dependencies {
        ensure!(
            dependency.features.iter().all(|name| !is_profile(Some(name))),
            "the dependency on {} chooses a profile",
            dependency.name
        );
        // A profile reaches what is to the left of the package. What only tests
        // see, the resolver unifies with it.
        if dependency.dev {
            continue;
        }
        for profile in Profile::ALL {
            let feature = profile.feature();
            let routed = features[feature].as_array().is_some_and(|list| {
                list.iter()
                    .filter_map(Value::as_str)
                    .any(|entry| entry.replace('?', "") == format!("{}/{feature}", dependency.name))
            });
            // The JIT is absent from the umbrella's embedded build.
            let absent = profile == Profile::Embedded && dependency.name == "bpf-jit-x86";
            ensure!(routed || absent, "{feature} is not passed to {}", dependency.name);
        }
    }
    Ok(())
}

fn excluded(manifest: &Path, workspace: &Table) -> Result<()> {
    let own = table(manifest)?;
    ensure!(own.get("lints") == workspace.get("lints"), "its lints differ from the workspace's");
    for field in ["edition", "rust-version", "license", "publish"] {
        ensure!(
            own["package"].get(field) == workspace["package"].get(field),
            "its `{field}` differs from the workspace's"
        );
    }
    Ok(())
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

fn is_profile(feature: Option<&str>) -> bool {
    Profile::ALL.iter().any(|profile| feature == Some(profile.feature()))
}

fn table(manifest: &Path) -> Result<Table> {
    let text =
        fs::read_to_string(manifest).with_context(|| format!("read {}", manifest.display()))?;
    text.parse().with_context(|| format!("parse {}", manifest.display()))
}
