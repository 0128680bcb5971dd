//! Programs as clang compiles them: the examples, whole.

use bpf_loader::{LoadError, Object};
use bpf_profile::ActiveProfile;
use bpf_verifier::{Verifier, VerifyErrorKind};

macro_rules! example {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../examples/programs/", $name, ".bpf.o")))
    };
}

const EXAMPLES: [(&str, &[u8]); 7] = [
    example!("dispatcher"),
    example!("packet_histogram"),
    example!("rate_limiter"),
    example!("sensor_filter"),
    example!("socket_filter"),
    example!("xdp_firewall"),
    example!("xdp_firewall_cloud"),
];

#[test]
fn examples_are_safe() {
    for (name, bytes) in EXAMPLES {
        let object = Object::<ActiveProfile>::parse(bytes).expect(name);
        for program in object.programs() {
            let built = match program.link().and_then(|linked| linked.build()) {
                Ok(built) => built,
                // Larger than a static build's programs without storage.
                Err(LoadError::Program(error)) if cfg!(feature = "embedded-profile") => {
                    println!("{name}: {error}");
                    continue;
                }
                Err(error) => panic!("{name}: {error}"),
            };
            let result = Verifier::<ActiveProfile>::new().verify_program(&built);
            if name == "xdp_firewall_cloud" && cfg!(feature = "embedded-profile") {
                let kind = result.expect_err("the profile lacks its maps").kind();
                assert!(matches!(kind, VerifyErrorKind::MapUnsupported(_)), "{kind}");
                continue;
            }
            let verified = result.unwrap_or_else(|error| panic!("{name}: {error}"));
            let info = verified.info();
            assert!(info.max_insns >= 10 && info.processed < 2000, "{name}: {info:?}");
            assert!(info.workspace_bytes < 64 << 10, "{name}: {info:?}");
        }
    }
}
