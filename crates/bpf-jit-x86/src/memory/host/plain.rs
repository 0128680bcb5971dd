//! Executable memory of a host without `mmap`.

extern crate std;

use alloc::boxed::Box;
use core::ptr::NonNull;

use dynasmrt::mmap::{ExecutableBuffer, MutableBuffer};

use super::{CodeMemory, CodeMemoryError, ExecutableCode, WritableCode};

/// Executable memory of the host's operating system: fresh pages for every
/// program, writable until they are sealed and executable from then on. Between
/// programs are no guards here.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostMemory;

impl CodeMemory for HostMemory {
    fn allocate(&self, bytes: usize) -> Result<Box<dyn WritableCode>, CodeMemoryError> {
        let exhausted = CodeMemoryError::Exhausted { bytes };
        let mut buffer = MutableBuffer::new(bytes).map_err(|_| exhausted)?;
        buffer.set_len(bytes);
        Ok(Box::new(Writable(buffer)))
    }
}

struct Writable(MutableBuffer);

impl WritableCode for Writable {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn seal(self: Box<Self>) -> Result<Box<dyn ExecutableCode>, CodeMemoryError> {
        let buffer = self.0.make_exec().map_err(|_| CodeMemoryError::Protection)?;
        Ok(Box::new(Executable(buffer)))
    }
}

struct Executable(ExecutableBuffer);

// SAFETY: the mapping is private to this value, is read-only and executable
// since `make_exec`, and is unmapped when the value is dropped.
unsafe impl ExecutableCode for Executable {
    fn base(&self) -> NonNull<u8> {
        NonNull::from(&*self.0).cast()
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}
