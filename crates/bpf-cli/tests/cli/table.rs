//! `kbpf verify` over folders.

use crate::support::{MISTAKES, example, kbpf};

/// The lines of a table of comma-separated values, by column.
fn csv(text: &str) -> Vec<Vec<(String, String)>> {
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let head: Vec<String> = lines.next().unwrap().collect();
    lines.map(|fields| head.iter().cloned().zip(fields).collect()).collect()
}

fn field<'t>(row: &'t [(String, String)], name: &str) -> &'t str {
    &row.iter().find(|(column, _)| column == name).unwrap().1
}

#[test]
fn a_folder_gives_a_line_for_each_program_and_sums() {
    let folder = "crates/bpf-cli/tests/objects";
    let text = kbpf(&["verify", folder]).ended(1);
    let named = |line: &&str| line.starts_with("crates/bpf-cli/tests/objects/mistakes.bpf.o: ");
    // One line in the table, and for each that is rejected another one below.
    assert_eq!(text.lines().filter(named).count(), 5 + 4, "{text}");
    assert!(text.contains("1 accepted, 6 rejected, 0 unsupported, 0 not loaded"), "{text}");
    for word in ["processed", "90th percentile", "memory safety: access beyond the packet's end"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn comma_separated_values_have_a_head_and_every_figure() {
    let text = kbpf(&["verify", "--csv", MISTAKES, &example("socket_filter")]).ended(1);
    let rows = csv(&text);
    assert_eq!(rows.len(), 6);
    assert_eq!(field(&rows[0], "verdict"), "accepted");
    assert_eq!(field(&rows[2], "class"), "memory safety");
    assert_eq!(field(&rows[2], "max_insns"), "");
    for row in &rows {
        for column in ["insns", "processed", "workspace_bytes"] {
            assert_ne!(field(row, column).parse::<u64>().unwrap(), 0, "{column}: {text}");
        }
        field(row, "time_us").parse::<f64>().unwrap();
    }
    let with_wcet = text.lines().next().unwrap().contains("wcet");
    assert_eq!(with_wcet, cfg!(feature = "embedded-profile"));
}

#[test]
fn sums_in_json() {
    let answer = kbpf(&["verify", "--json", "--table", MISTAKES]).json(1);
    let summary = &answer["summary"];
    assert_eq!((&summary["accepted"], &summary["rejected"]), (&1.into(), &4.into()));
    assert_eq!(summary["insns"]["count"], 5);
    assert!(summary["linux"].is_null());
    let effort = &answer["programs"][1]["effort"];
    assert!(effort["processed"].as_u64().unwrap() > 0);
    assert!(answer["programs"][1]["linux"].is_null());
}

#[test]
fn a_file_that_is_no_object_does_not_hide_the_others() {
    let folder = std::env::temp_dir().join(format!("kbpf-{}-folder", std::process::id()));
    std::fs::create_dir_all(folder.join("deeper")).unwrap();
    std::fs::write(folder.join("deeper/bad.o"), b"\x7fELF").unwrap();
    std::fs::write(folder.join("good.s"), "r0 = 0\nexit\n").unwrap();
    std::fs::write(folder.join("README"), "no program").unwrap();
    let answer = kbpf(&["verify", "--json", folder.to_str().unwrap()]).json(1);
    std::fs::remove_dir_all(&folder).unwrap();
    let verdicts: Vec<_> = answer["programs"].as_array().unwrap().iter().collect();
    assert_eq!(verdicts.len(), 2, "{answer}");
    assert_eq!(verdicts[0]["verdict"], "not_loaded");
    assert_eq!(verdicts[1]["verdict"], "accepted");
}

#[test]
fn a_named_file_that_cannot_be_read_does_not_hide_the_others() {
    let good = example("socket_filter");
    let text = kbpf(&["verify", "no/such.o", &good]).ended(1);
    for word in ["no/such.o", "file could not be loaded", "1 accepted, 1 rejected"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // Where it is the only one, there is no answer at all.
    kbpf(&["verify", "no/such.o"]).ended(3);
}

#[test]
fn linux_says_its_word_or_why_not() {
    let object = example("socket_filter");
    let answer = kbpf(&["verify", "--json", "--compare-linux", &object]).json(0);
    let linux = &answer["programs"][0]["linux"];
    match linux["verdict"].as_str().unwrap() {
        "accepted" => assert!(linux["processed"].as_u64().unwrap() > 0, "{linux}"),
        "not_permitted" | "not_loaded" => assert!(linux["reason"].is_string(), "{linux}"),
        other => panic!("{other}: {linux}"),
    }
    let text = kbpf(&["verify", "--compare-linux", &object]).ended(0);
    assert!(text.contains("without Linux's verdict"), "{text}");
}

#[test]
fn linux_is_given_the_types_of_an_object() {
    let object = concat!(env!("CARGO_MANIFEST_DIR"), "/../bpf-loader/tests/objects/globals.bpf.o");
    let answer = kbpf(&["verify", "--json", "--compare-linux", object]).json(1);
    let linux = &answer["programs"][0]["linux"];
    let reason = linux["reason"].as_str().unwrap();
    match linux["verdict"].as_str().unwrap() {
        // What functions that others can see are given is known from types alone.
        "rejected" => assert!(reason.starts_with("Caller passes invalid args"), "{reason}"),
        "not_permitted" => {}
        other => panic!("{other}: {linux}"),
    }
}
