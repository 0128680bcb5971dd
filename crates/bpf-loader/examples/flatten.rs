//! Writes the flat image of an object: `flatten OBJECT.o IMAGE.kbi`.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

use bpf_loader::{Object, flat};
use bpf_profile::ActiveProfile;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(object), Some(image), None) = (args.next(), args.next(), args.next()) else {
        return Err("usage: flatten OBJECT.o IMAGE.kbi".into());
    };
    let bytes = std::fs::read(object)?;
    let object = Object::<ActiveProfile>::parse(&bytes)?;
    let mut out = BufWriter::new(File::create(image)?);
    flat::write(&object, |part| out.write_all(part)).map_err(|error| match error {
        flat::WriteError::Load(error) => Box::<dyn Error>::from(error),
        flat::WriteError::Sink(error) => error.into(),
    })?;
    Ok(out.flush()?)
}
