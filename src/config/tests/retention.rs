//! Which tags stay.

use super::*;
use crate::oci::Glob;
use crate::registry::RetentionRule;
use std::time::Duration;

#[test]
fn a_rule_is_about_all_tags_unless_it_says_otherwise_and_reads_back_as_it_is_shown() {
    let text = "retention: {rules: [{where: 'team/**', last: 10, matching: [v*, latest]}, {where: [a, b], tags: ci-*, pushedwithin: \
                720h, pulledwithin: 1h30m}]}\n";
    let loaded = load(text).unwrap();
    let globs = |texts: &[&str]| texts.iter().map(|text| Glob::parse(text).unwrap()).collect();
    let expected = [
        RetentionRule {
            at: globs(&["team/**"]),
            tags: globs(&["*"]),
            last: Some(10),
            matching: globs(&["v*", "latest"]),
            ..RetentionRule::default()
        },
        RetentionRule {
            at: globs(&["a", "b"]),
            tags: globs(&["ci-*"]),
            pushed_within: Some(Duration::from_secs(720 * 3_600)),
            pulled_within: Some(Duration::from_secs(5_400)),
            ..RetentionRule::default()
        },
    ];
    assert_eq!(loaded.config.retention.rules, expected);
    assert_eq!(loaded.config.retention.interval, Duration::from_secs(24 * 3_600));
    assert_eq!(load(&loaded.to_yaml()).unwrap().config, loaded.config);
}

#[test]
fn a_rule_that_would_let_everything_go_or_means_nobody_is_refused() {
    for (text, problem) in [
        ("{last: 1}", "where is missing"),
        ("{where: a}", "nothing would stay"),
        ("{where: a, last: 0}", "is not from 1 to"),
        ("{where: a, last: some}", "is not a whole number"),
        ("{where: a, pushedwithin: 30}", "has no unit"),
        ("{where: a, matching: []}", "the list is empty"),
        ("{where: a, newest: 1}", "there is no such key"),
        ("a", "expected a list of mappings with where and what stays there"),
    ] {
        let messages = messages(load(&format!("retention: {{rules: [{text}]}}\n")));
        assert!(messages.iter().any(|message| message.contains(problem)), "{text}: {messages:?}");
    }
}
