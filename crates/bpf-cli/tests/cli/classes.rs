//! One rejection of each class.

use crate::assert_text;
use crate::support::kbpf;

/// Programs, each with one mistake, under the class it falls into. They are
/// socket filters.
const MISTAKES: &[(&str, &str)] = &[
    ("structure", "goto over\nr0 = 1\nover: r0 = 0\nexit"),
    ("uninitialized", "r2 = *(u32 *)(r1 +0)\nif r2 > 5 goto out\nr3 = 1\nout: r0 = r3\nexit"),
    (
        "memory safety",
        "r2 = *(u32 *)(r1 +0)\nr3 = r10\nr3 += -8\nr3 += r2\nr0 = *(u8 *)(r3 +0)\nexit",
    ),
    ("pointer use", "r2 = r10\nr2 *= 2\nr0 = 0\nexit"),
    ("helper call", "r1 = 7\nr2 = r10\nr3 = 1\ncall 1\nr0 = 0\nexit"),
    ("context access", "r0 = *(u64 *)(r1 +4)\nexit"),
    ("termination", "r6 = r1\nagain: r0 = 0\nif r0 == 0 goto again\nexit"),
    ("stack", "*(u8 *)(r10 -512) = 1\ncall deep\nexit\ndeep: *(u8 *)(r10 -8) = 1\nr0 = 0\nexit"),
    ("unsupported", "r1 = 0\nr2 = 0\ncall 194\nr0 = 0\nexit"),
];

#[test]
fn each_class_has_its_headings() {
    let folder = std::env::temp_dir().join(format!("kbpf-{}-classes", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut all = String::new();
    for (class, source) in MISTAKES {
        let file = folder.join(format!("{}.s", class.replace(' ', "_")));
        std::fs::write(&file, source).unwrap();
        let text = kbpf(&["verify", "--search-ms", "0", file.to_str().unwrap()]).ended(1);
        let (line, headings) = text.split_once('\n').unwrap();
        let word = if *class == "unsupported" { "unsupported" } else { "rejected" };
        assert!(line.ends_with(word), "{text}");
        let wanted = ["uninitialized value", "program structure"];
        let wanted = wanted.into_iter().find(|name| name.contains(class)).unwrap_or(class);
        assert!(headings.starts_with(&format!("Verification failed: {wanted}: ")), "{text}");
        all.push_str(headings);
        all.push('\n');
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert_text!(all);
}
