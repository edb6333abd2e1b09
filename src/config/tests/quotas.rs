//! How much may be held.

use super::*;
use crate::oci::Glob;
use crate::registry::RepositoryQuota;

#[test]
fn quotas_have_patterns_and_bounds_and_read_back_as_they_are_shown() {
    let text = "storage: {quota: {size: 1TiB, repositories: [{where: 'team/**', size: 50GiB}, {where: [a, b], tags: 100}]}}\n";
    let loaded = load(text).unwrap();
    let quota = &loaded.config.storage.quota;
    assert_eq!(quota.size, 1 << 40);
    let globs = |texts: &[&str]| texts.iter().map(|text| Glob::parse(text).unwrap()).collect();
    let expected = [
        RepositoryQuota { at: globs(&["team/**"]), size: Some(50 << 30), tags: None },
        RepositoryQuota { at: globs(&["a", "b"]), size: None, tags: Some(100) },
    ];
    assert_eq!(quota.repositories, expected);
    assert_eq!(load(&loaded.to_yaml()).unwrap().config, loaded.config);
}

#[test]
fn a_quota_that_bounds_nothing_or_nobody_is_refused() {
    for (text, problem) in [
        ("{size: 1GiB}", "where is missing"),
        ("{where: a}", "size or tags is missing"),
        ("{where: a, tags: many}", "is not a whole number"),
        ("{where: a, size: lots}", "is not a size"),
        ("{where: a, tags: 1, blobs: 1}", "there is no such key"),
        ("a", "expected a list of mappings with where, size and tags"),
    ] {
        let messages = messages(load(&format!("storage: {{quota: {{repositories: [{text}]}}}}\n")));
        assert!(messages.iter().any(|message| message.contains(problem)), "{text}: {messages:?}");
    }
}
