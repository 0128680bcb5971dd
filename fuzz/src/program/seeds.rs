//! Programs that somebody wrote, to begin changes with.

use kernel_bpf::loader::FlatImage;
use kernel_bpf_tests::case::{Case, Input, Verdict};
use kernel_bpf_tests::corpus;

/// The written cases of the corpus, and the programs of these flat images, which
/// come from C.
///
/// # Panics
/// When an image is none.
#[must_use]
pub fn seeds(images: &[Vec<u8>]) -> Vec<Case> {
    let mut cases = corpus::written();
    for bytes in images {
        let image = FlatImage::parse(bytes).expect("a flat image");
        let maps: Vec<_> = image.maps().map(|map| map.def).collect();
        cases.extend(image.programs().map(|program| Case {
            name: program.name.to_owned(),
            prog_type: program.prog_type,
            insns: program.insns().collect(),
            maps: maps.clone(),
            input: Input::Empty,
            expect: String::new(),
            verdict: Verdict::Accept,
            budget: None,
        }));
    }
    cases.retain(|case| case.insns.len() <= super::MAX_SLOTS);
    cases
}
