//! What a profile does not have is absent, not merely unused: for each item
//! under "Compile-Time Erasure" of the specification, and for each type that one
//! profile alone has beside them, there is one source file, which compiles and
//! runs under the profile that has the item, and under the other one fails to
//! compile with the error that is pinned beside it.

/// Items of the cloud profile alone.
const CLOUD: [&str; 10] = [
    "jit_executor",
    "jit_compiler",
    "jit_prepared",
    "translated_interpreter",
    "translated_program",
    "throughput_policy",
    "map_resize",
    "map_elements",
    "lru_hash_map",
    "lpm_trie",
];

/// Items of the embedded profile alone.
const EMBEDDED: [&str; 9] = [
    "static_pool",
    "deadline_policy",
    "deadline",
    "request_deadline",
    "energy_budget",
    "wcet_error",
    "wcet_bound",
    "cost_table",
    "place",
];

#[cfg(feature = "cloud-profile")]
const PROFILE: (&[&str], &[&str]) = (&CLOUD, &EMBEDDED);
#[cfg(feature = "embedded-profile")]
const PROFILE: (&[&str], &[&str]) = (&EMBEDDED, &CLOUD);

fn source(item: &str) -> String {
    format!("tests/erasure/{item}.rs")
}

#[test]
fn items_of_the_other_profile_do_not_exist() {
    let (present, absent) = PROFILE;
    let cases = trybuild::TestCases::new();
    // The compiler exists for x86-64 alone, on every profile that has one.
    let has_jit = cfg!(target_arch = "x86_64");
    for item in present.iter().filter(|item| has_jit || !item.starts_with("jit_")) {
        cases.pass(source(item));
    }
    for item in absent {
        cases.compile_fail(source(item));
    }
}

/// No source is forgotten, and every one has an error to fail with: without the
/// pinned text, the test above would accept any error.
#[test]
fn every_source_is_tried_and_has_its_error() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erasure");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .expect("the sources")
        .map(|entry| entry.expect("a source").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut expected: Vec<String> = CLOUD
        .iter()
        .chain(&EMBEDDED)
        .flat_map(|item| [format!("{item}.rs"), format!("{item}.stderr")])
        .collect();
    expected.sort();
    assert_eq!(found, expected);
}
