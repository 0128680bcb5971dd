pub fn steps() -> Vec<super::Step> {
    Vec::new()
}
