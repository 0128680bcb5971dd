//! Files of folders.

use std::fs::{self, DirEntry, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};

/// A file to verify.
#[derive(Debug)]
pub struct Found {
    pub path: PathBuf,
    /// Whether the command line names the file itself, and not a folder.
    pub named: bool,
    /// Why it could not be looked at: it is a folder in one that is named.
    pub unreadable: Option<Error>,
}

/// Extensions of the files that are taken from folders.
const EXTENSIONS: [&str; 4] = ["o", "kbi", "s", "asm"];

/// The files that the command line means, in order; those of a folder sorted.
/// Links to folders are not followed. A folder in a folder that cannot be read is
/// among them.
///
/// # Errors
/// When a folder that the command line names cannot be read.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Found>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(of_folder(path, &|folder| fs::read_dir(folder))?);
        } else {
            files.push(Found { path: path.clone(), named: true, unreadable: None });
        }
    }
    Ok(files)
}

fn of_folder(top: &Path, read: &dyn Fn(&Path) -> io::Result<ReadDir>) -> Result<Vec<Found>> {
    let (mut files, mut folders) = (Vec::new(), vec![top.to_owned()]);
    while let Some(folder) = folders.pop() {
        let added = add(read(&folder), &mut files, &mut folders);
        let Err(error) = added.with_context(|| folder.display().to_string()) else { continue };
        if folder == top {
            return Err(error);
        }
        files.push(Found { path: folder, named: false, unreadable: Some(error) });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Adds the files and the folders of a folder.
fn add(
    entries: io::Result<ReadDir>,
    files: &mut Vec<Found>,
    folders: &mut Vec<PathBuf>,
) -> io::Result<()> {
    let entries = entries?.collect::<io::Result<Vec<DirEntry>>>()?;
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let wanted = path.extension().is_some_and(|e| EXTENSIONS.iter().any(|own| e == *own));
        if kind.is_dir() {
            folders.push(path);
        } else if wanted && path.is_file() {
            files.push(Found { path, named: false, unreadable: None });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_read_hides_no_others() {
        let top = std::env::temp_dir().join(format!("kbpf-unreadable-{}", std::process::id()));
        for folder in ["a", "b", "c"] {
            fs::create_dir_all(top.join(folder)).expect("a folder");
            fs::write(top.join(folder).join("x.s"), "exit").expect("a file");
        }
        let refused = top.join("b");
        let read = |folder: &Path| {
            if folder == refused {
                Err(io::ErrorKind::PermissionDenied.into())
            } else {
                fs::read_dir(folder)
            }
        };
        let found = of_folder(&top, &read).expect("the others");
        let names: Vec<_> = found
            .iter()
            .map(|found| {
                (found.path.strip_prefix(&top).expect("below"), found.unreadable.is_some())
            })
            .collect();
        let expected = [("a/x.s", false), ("b", true), ("c/x.s", false)];
        assert_eq!(names, expected.map(|(path, refused)| (Path::new(path), refused)));
        assert!(of_folder(&refused, &read).is_err(), "it was named");
        fs::remove_dir_all(&top).expect("they were there");
    }
}
