use kernel_bpf::scheduler::EnergyBudget;

fn main() {
    let _ = EnergyBudget::from_microjoules(1);
}
