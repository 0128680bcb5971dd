use kernel_bpf::maps::static_pool::StaticPool;

static POOL: StaticPool<4> = StaticPool::new();

fn main() {
    assert!(POOL.allocate(256).is_ok());
}
