//! Inputs on which rejected programs go wrong.

use serde_json::Value;

use crate::support::{MISTAKES, OFFSETS, PATIENCE, TempFile, kbpf};

fn search(prog: &str) -> Value {
    search_in(MISTAKES, prog)
}

fn search_in(object: &str, prog: &str) -> Value {
    let args = ["verify", "--json", "--search-ms", PATIENCE, "--prog", prog, object];
    kbpf(&args).json(1)["programs"][0]["rejection"].take()
}

#[test]
fn a_missing_null_check_fails_where_the_verifier_says() {
    let rejection = search("no_null_check");
    let found = &rejection["search"]["found"];
    assert_eq!(found["pc"], rejection["at"]["pc"]);
    assert_eq!(found["form"], "packet");
    assert!(found["fault"].as_str().unwrap().contains("invalid access to memory"), "{found}");
}

#[test]
fn a_packet_that_ends_one_byte_early_is_found() {
    let rejection = search("off_by_one");
    let found = &rejection["search"]["found"];
    assert_eq!(found["pc"], rejection["at"]["pc"], "{rejection}");
    // Byte 13 says which byte is read: the one behind the packet.
    let packet = &found["input"];
    assert_eq!(byte(packet, 13), packet.as_str().unwrap().len() / 2, "{found}");
}

#[test]
fn what_is_held_and_what_does_not_end_is_shown() {
    let held = search("not_submitted");
    assert!(held["search"]["found"]["fault"].as_str().unwrap().contains("still held"), "{held}");
    let endless = search("endless");
    let fault = endless["search"]["found"]["fault"].as_str().unwrap().to_owned();
    assert!(fault.contains("still running"), "{fault}");
}

/// The byte at an offset of what is written in hex.
fn byte(hex: &Value, at: usize) -> usize {
    usize::from_str_radix(&hex.as_str().unwrap()[2 * at..2 * at + 2], 16).unwrap()
}

/// A rejected program in assembly, as the verifier and the search see it.
fn rejected(name: &str, source: &str, patience: &str) -> Value {
    let file = TempFile::new(name, source.as_bytes());
    let args = ["verify", "--json", "--search-ms", patience, file.path()];
    kbpf(&args).json(1)["programs"][0]["rejection"].take()
}

#[test]
fn numbers_that_are_compared_are_brought_about() {
    // Of a socket filter the context says the packet's length at offset 0.
    let source = "
        r2 = *(u32 *)(r1 +0)
        if r2 s< 77 goto out
        if r2 s> 78 goto out
        r4 = r10
        r4 += -77
        r4 += r2
        r0 = *(u8 *)(r4 +0)
        out: r0 = 0
        exit";
    let rejection = rejected("compared.s", source, PATIENCE);
    assert_eq!(rejection["class"], "memory safety", "{rejection}");
    let found = &rejection["search"]["found"];
    let seen = found["input"].as_str().unwrap().len() / 2 - 14;
    assert!((77..=78).contains(&seen), "{found}");
}

#[test]
fn an_access_of_the_next_value_is_none_of_this_one() {
    let rejection = search_in(OFFSETS, "into_the_next_value");
    let found = &rejection["search"]["found"];
    let next = byte(&found["maps"][0]["value"], 4) & 63;
    assert!(next >= 56, "{found}");
    let wanted = format!("1 bytes at offset {} of a map's value of 64", 8 + next);
    assert_eq!(found["fault"], wanted, "{found}");
}

#[test]
fn numbers_that_are_worked_out_are_brought_about() {
    let rejection = search_in(OFFSETS, "by_two_bytes");
    let found = &rejection["search"]["found"];
    let byte = |at| byte(&found["input"], at);
    assert_eq!((byte(14) ^ byte(15)) + 3 * byte(16), 200, "{found}");
    assert!(byte(17) >= 56, "{found}");
}

#[test]
fn what_the_context_says_beside_the_packet_is_brought_about() {
    // The mark at offset 8, the queue at 12: their product is 4100.
    let source = "
        r2 = *(u32 *)(r1 +8)
        r3 = *(u32 *)(r1 +12)
        r4 = r2
        r4 *= r3
        if r4 != 4100 goto out
        r2 += r3
        r2 &= 3
        r4 = r10
        r4 += -1
        r4 += r2
        r0 = *(u8 *)(r4 +0)
        out: r0 = 0
        exit";
    let rejection = rejected("fields.s", source, PATIENCE);
    assert_eq!(rejection["class"], "memory safety", "{rejection}");
    let found = &rejection["search"]["found"];
    let value = |name: &str| {
        let fields = found["fields"].as_array().unwrap().iter();
        fields.filter(|field| field["name"] == name).find_map(|field| field["value"].as_u64())
    };
    let (mark, queue) = (value("mark").unwrap(), value("queue_mapping").unwrap());
    assert_eq!((mark * queue, (mark + queue) % 4 > 0), (4100, true), "{found}");
}

#[test]
fn what_is_right_and_unproven_has_no_counterexample() {
    // The product is never odd, and the verifier need not know that of a square.
    let source = "
        r2 = *(u32 *)(r1 +0)
        r3 = r2
        r3 += 1
        r3 *= r2
        r3 &= 1
        r3 *= 4096
        r4 = r10
        r4 += -8
        *(u64 *)(r10 -8) = r2
        r4 += r3
        r0 = *(u8 *)(r4 +0)
        r0 = 0
        exit";
    let rejection = rejected("unproven.s", source, "50");
    assert!(rejection["search"]["runs"].as_u64().unwrap() > 0, "{rejection}");
    assert!(rejection["search"]["found"].is_null(), "{rejection}");
}

#[test]
fn no_time_is_no_search() {
    let rejection = rejected("no-time.s", "r1 = 0\nr0 = *(u8 *)(r1 +0)\nexit", "0");
    assert!(rejection["search"].is_null(), "{rejection}");
}
