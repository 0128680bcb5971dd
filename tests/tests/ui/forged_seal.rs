// The seal of live maps is out of reach.

struct MyMap;

impl kernel_bpf::maps::seal::Sealed for MyMap {}

fn main() {}
