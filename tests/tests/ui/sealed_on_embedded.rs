include!("sealed_traits.rs");
