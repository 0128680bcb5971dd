//! Files of folders.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file to verify.
#[derive(Debug)]
pub struct Found {
    pub path: PathBuf,
    /// Whether the command line names the file itself, and not a folder.
    pub named: bool,
}

/// Extensions of the files that are taken from folders.
const EXTENSIONS: [&str; 4] = ["o", "kbi", "s", "asm"];

/// The files that the command line means, in order; those of a folder sorted.
/// Links to folders are not followed.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Found>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = of_folder(path)?;
            files.extend(found.into_iter().map(|path| Found { path, named: false }));
        } else {
            files.push(Found { path: path.clone(), named: true });
        }
    }
    Ok(files)
}

fn of_folder(top: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let entry = entry.with_context(|| folder.display().to_string())?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let wanted = path.extension().is_some_and(|e| EXTENSIONS.iter().any(|own| e == *own));
            if kind.is_dir() {
                folders.push(path);
            } else if wanted && path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
