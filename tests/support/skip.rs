//! Programs that are not installed: whether that may be.

/// Says that the tests with this program are skipped.
///
/// # Panics
///
/// If `HOLDFAST_REQUIRE_CLIENTS` names the program.
pub fn skip(name: &str, reason: &str) {
    let required = std::env::var("HOLDFAST_REQUIRE_CLIENTS").unwrap_or_default();
    let is_required = required.split_whitespace().any(|required| required == name);
    assert!(!is_required, "HOLDFAST_REQUIRE_CLIENTS names {name}, but {reason}");
    eprintln!("skipped: {name}: {reason}");
}
