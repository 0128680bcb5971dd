include!("forged_map.rs");
