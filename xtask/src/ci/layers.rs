//! Who depends on whom.

use anyhow::{Result, ensure};

use super::{Context, Step};
use crate::repo::{Dependency, LAYERS, Package, TOP};

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::new("layers", |context: &Context| check(&context.packages))]
}

fn check(packages: &[Package]) -> Result<()> {
    for package in packages {
        let depends: Vec<&Dependency> = package.project_dependencies.iter().collect();
        let name = package.name.as_str();
        if name == "xtask" {
            ensure!(depends.is_empty(), "xtask depends on {}", depends[0].name);
            continue;
        }
        if TOP.contains(&name) {
            for dependency in depends {
                ensure!(
                    position(&dependency.name).is_some(),
                    "{name} depends on {}, which is no library crate",
                    dependency.name
                );
            }
            continue;
        }
        let Some(own) = position(name) else {
            anyhow::bail!("{name} has no place among the layers (xtask/src/repo.rs)");
        };
        for dependency in depends {
            let other = &dependency.name;
            let left = position(other).is_some_and(|other| other < own);
            ensure!(
                left || dependency.dev && serves_tests(own, other),
                "{name} depends on {other}, which is not to its left"
            );
            if let Some(only) = LAYERS[own].only {
                ensure!(
                    only.contains(&other.as_str()) || other == name,
                    "{name} depends on {other}, and may on {} alone",
                    only.join(" and ")
                );
            }
        }
    }
    for layer in LAYERS {
        ensure!(
            packages.iter().any(|package| package.name == layer.name),
            "the crate {} is gone",
            layer.name
        );
    }
    Ok(())
}

/// A crate's tests may use the crate itself, and a crate that stands on less
/// than the crate does: the loader, to read objects.
fn serves_tests(own: usize, other: &str) -> bool {
    let Some(other) = position(other) else { return false };
    let below = |name: &&str| position(name).is_some_and(|name| name < own);
    other == own || LAYERS[other].only.is_some_and(|only| only.iter().all(below))
}

fn position(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.name == name)
}
