//! Objects inside of packages: files by themselves, or embedded in executables.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Apt;
use super::kernel::{Headers, compile_as_kernel};

/// Packages of Debian 12 that hold eBPF objects.
const PACKAGES: [&str; 8] = [
    "golang-github-cilium-ebpf-dev",
    "ir-keytable",
    "libbpf-tools",
    "libknot13",
    "libxdp1",
    "pcp",
    "qemu-system-x86",
    "xdp-tools",
];

/// How an ELF image of eBPF begins: magic, 64 bits, little-endian, version 1.
const MAGIC: [u8; 7] = *b"\x7fELF\x02\x01\x01";

/// `e_machine` of eBPF.
const EM_BPF: u16 = 247;

/// Takes the objects out of the packages and compiles Falco's probe.
pub fn build(apt: &Apt, dir: &Path) -> Result<()> {
    let out = super::fresh(dir, "packages")?;
    let mut count = 0_usize;
    for package in PACKAGES {
        let unpacked = apt.fetch(package)?;
        for file in all_files(&unpacked)? {
            let bytes = fs::read(&file)?;
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            for (index, image) in images(&bytes).into_iter().enumerate() {
                let number = if index == 0 { String::new() } else { format!("_{index}") };
                fs::write(out.join(format!("{package}_{stem}{number}.o")), image)?;
                count += 1;
            }
        }
    }
    match falco(apt, &out.join("falco_probe.o")) {
        Ok(()) => count += 1,
        Err(error) => println!("falco's probe does not compile: {error:#}"),
    }
    println!("packages: {count} objects");
    Ok(())
}

/// The files below `dir`, sorted, without links.
fn all_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The eBPF objects inside `bytes`. Compilers write the section headers last, so an
/// object ends where these do.
fn images(bytes: &[u8]) -> Vec<&[u8]> {
    let starts = bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    starts.filter_map(|(start, _)| bytes.get(start..).and_then(image)).collect()
}

fn image(bytes: &[u8]) -> Option<&[u8]> {
    let half = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    if half(18)? != EM_BPF {
        return None;
    }
    let headers = u64::from_le_bytes(bytes.get(40..48)?.try_into().ok()?);
    let size = usize::from(half(58)?) * usize::from(half(60)?);
    bytes.get(..usize::try_from(headers).ok()?.checked_add(size)?)
}

/// Compiles the probe against the distribution's own kernel, as it is as old.
fn falco(apt: &Apt, object: &Path) -> Result<()> {
    let unpacked = apt.fetch("falcosecurity-scap-dkms")?;
    let source = super::folder(&unpacked.join("usr/src"), "scap-")?.join("bpf/probe.c");
    let of_machine = apt.dependency("linux-headers-amd64", "linux-headers-", "-amd64")?;
    let headers = Headers::fetch(apt, &of_machine)?;
    compile_as_kernel(&apt.work, &headers, &[], &source, "v2", object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_embedded_objects() {
        let mut object = vec![0; 64 + 128];
        object[..7].copy_from_slice(&MAGIC);
        object[18..20].copy_from_slice(&EM_BPF.to_le_bytes());
        object[40..48].copy_from_slice(&64_u64.to_le_bytes());
        object[58..60].copy_from_slice(&64_u16.to_le_bytes());
        object[60..62].copy_from_slice(&2_u16.to_le_bytes());
        let mut foreign = object.clone();
        foreign[18] = 62;
        let file = [b"text".as_slice(), &foreign, &object, b"more", &object, b"end"].concat();
        assert_eq!(images(&file), [&object, &object]);
        // Cut short, it is none.
        assert!(images(&object[..object.len() - 1]).is_empty());
    }
}
