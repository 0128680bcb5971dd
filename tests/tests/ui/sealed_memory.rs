use kernel_bpf::profile::{ActiveProfile, MemoryStrategy, OutOfMemory, PhysicalProfile};

#[derive(Clone, Copy, Debug)]
struct Mine;

impl MemoryStrategy for Mine {
    const ELASTIC: bool = true;
    type Vec<T, const N: usize> = <<ActiveProfile as PhysicalProfile>::Memory as MemoryStrategy>::Vec<T, N>;
    type Block = <<ActiveProfile as PhysicalProfile>::Memory as MemoryStrategy>::Block;
    fn allocate(bytes: usize) -> Result<Self::Block, OutOfMemory> {
        Err(OutOfMemory { requested: bytes })
    }
}

fn main() {}
