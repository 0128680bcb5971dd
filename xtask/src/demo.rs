//! tmp
use anyhow::Result;
/// x
pub fn run(_args: Vec<std::ffi::OsString>) -> Result<()> {
    anyhow::bail!("no")
}
