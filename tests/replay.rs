//! Replay equals life: generated stories of one store, its kills and its power cuts, against a plain model of its tables.
//! The fuzzer tells the same stories for longer: `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(unreachable_pub, reason = "the fuzzer's crate exports it")]

use proptest::prelude::*;

#[path = "../fuzz/targets/replay/mod.rs"]
mod replay;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_a_store_comes_back_to_is_what_was_acknowledged_row_by_row(data in prop::collection::vec(any::<u8>(), 1..600)) {
        replay::replay(&data);
    }
}
