//! Benches compile in both profiles.

use super::Step;
use crate::repo::Profile;

/// One step for each profile.
pub fn steps() -> Vec<Step> {
    Profile::ALL
        .into_iter()
        .map(|profile| {
            Step::new(format!("{} benches", profile.name()), move |context| {
                context
                    .cargo(["bench", "--no-run", "--features", profile.feature()])
                    .check(&context.log)
            })
        })
        .collect()
}
