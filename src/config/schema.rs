//! Questions about all keys together: is this one known, and which was probably meant.

use super::foreign::{FOREIGN, Foreign};
use super::table::{SETTINGS, Setting};

/// What a key is.
pub(super) enum Known {
    /// A setting of holdfast.
    Setting(&'static Setting),
    /// A key of distribution's that is no setting of holdfast.
    Foreign(&'static Foreign),
    /// The beginning of other keys.
    Section,
}

/// Sections of which distribution lets the name of one key beneath stand in their place, as in `storage: inmemory`.
pub(super) const NAMED: &[&str] = &["storage", "auth"];

/// Sections that ask for something by being there, so that one without a key is a mistake.
pub(super) const ASKING: &[&str] = &["auth.htpasswd", "auth.token"];

/// What a key, in full, is. Keys beneath a foreign one are not looked into here.
pub(super) fn find(key: &str) -> Option<Known> {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
        return Some(Known::Setting(setting));
    }
    if let Some(foreign) = FOREIGN.iter().find(|foreign| foreign.key == key) {
        return Some(Known::Foreign(foreign));
    }
    all_keys().any(|known| is_beneath(known, key)).then_some(Known::Section)
}

/// Whether a key stands beneath another.
pub(super) fn is_beneath(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn all_keys() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.key).chain(FOREIGN.iter().map(|foreign| foreign.key))
}

/// Every key and every section.
fn all_names() -> impl Iterator<Item = &'static str> {
    all_keys().flat_map(|key| {
        let sections = key.match_indices('.').filter_map(|(end, _)| key.get(..end));
        sections.chain(std::iter::once(key))
    })
}

/// The known key that was probably meant: a neighbour spelt alike or cut short, else a setting of that name in another
/// section, else whatever is spelt alike in full.
pub(super) fn nearest(unknown: &str) -> Option<String> {
    const LONGEST: usize = 80;
    if unknown.len() > LONGEST {
        return None;
    }
    if let Some(foreign) = FOREIGN.iter().find(|foreign| is_beneath(unknown, foreign.key)) {
        return nearest_beneath(foreign, unknown);
    }
    let (section, name) = split(unknown);
    let neighbours = || all_names().filter(|known| split(known).0 == section);
    closest(neighbours(), unknown)
        .or_else(|| neighbours().find(|known| name.len() >= 3 && split(known).1.starts_with(name)))
        .or_else(|| namesake(name))
        .or_else(|| closest(all_names(), unknown))
        .map(str::to_owned)
}

/// The setting with this last part that has the fewest others, if there is but one such.
fn namesake(name: &str) -> Option<&'static str> {
    let depth = |key: &str| key.matches('.').count();
    let named = || SETTINGS.iter().map(|setting| setting.key).filter(|key| split(key).1 == name);
    let least = named().map(depth).min()?;
    let mut shallowest = named().filter(|key| depth(key) == least);
    shallowest.next().filter(|_| shallowest.next().is_none())
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// The candidate that differs least, if it differs by no more than a third of its last part.
fn closest(candidates: impl Iterator<Item = &'static str>, unknown: &str) -> Option<&'static str> {
    let distances = candidates.map(|known| (strsim::damerau_levenshtein(known, unknown), known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    let name = split(known).1.len();
    (distance <= 1.max(name / 3)).then_some(known)
}

/// The known key beneath a foreign one that was probably meant, in full.
fn nearest_beneath(foreign: &Foreign, unknown: &str) -> Option<String> {
    let unknown = unknown.get(foreign.key.len() + 1..)?;
    closest(foreign.keys.iter().copied(), unknown).map(|known| format!("{}.{known}", foreign.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_key_is_described_twice_or_stands_beneath_another() {
        let keys: Vec<&str> = all_keys().collect();
        assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len());
        for key in &keys {
            assert!(!keys.iter().any(|other| is_beneath(other, key)), "{key} is both a key and a section");
        }
    }

    #[test]
    fn no_key_has_an_underscore_which_variables_could_not_tell_from_a_dot() {
        assert!(all_keys().all(|key| !key.contains('_') && key == key.to_ascii_lowercase()));
    }

    #[test]
    fn the_settings_of_a_section_stand_together() {
        let mut sections: Vec<&str> = SETTINGS.iter().map(|setting| split(setting.key).0).collect();
        sections.dedup_by_key(|section| section.split('.').next());
        let distinct: BTreeSet<&str> =
            sections.iter().filter_map(|section| section.split('.').next()).collect();
        assert_eq!(sections.len(), distinct.len());
    }

    #[test]
    fn a_misspelt_key_is_recognised() {
        for (unknown, meant) in [
            ("http.adr", "http.addr"),
            ("htpp", "http"),
            ("http.headres", "http.headers"),
            ("storage.filesystem.rootdir", "storage.filesystem.rootdirectory"),
            ("storage.rootdirectory", "storage.filesystem.rootdirectory"),
            ("addr", "http.addr"),
            ("log.levle", "log.level"),
            ("http.drain_timeout", "http.draintimeout"),
            ("storage.deleted", "storage.delete"),
            ("tags.maxtag", "tags.maxtags"),
        ] {
            assert_eq!(nearest(unknown).as_deref(), Some(meant), "{unknown}");
        }
    }

    #[test]
    fn what_resembles_nothing_gets_no_suggestion() {
        assert_eq!(nearest("http.zzzzzzzz"), None);
        assert_eq!(nearest("somewhere.enabled"), None);
        assert_eq!(nearest("redis.host"), None);
        assert_eq!(nearest(&"x".repeat(1_000_000)), None);
    }
}
