//! What holds for every text.

use super::*;
use crate::config::table::SETTINGS;
use proptest::prelude::*;

/// Lines that look like a configuration, and some that do not.
fn line() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        (0..SETTINGS.len()).prop_map(|index| SETTINGS[index].key.split('.').next_back().unwrap().to_owned()),
        prop::sample::select(vec!["log", "storage", "http", "auth", "version", "filesystem", "<<", "tls"])
            .prop_map(str::to_owned),
    ];
    let value = prop_oneof![
        prop::sample::select(vec![
            "",
            "{}",
            "[]",
            "[a, b]",
            "8s",
            "64KiB",
            "true",
            "0.1",
            ":5000",
            "&a x",
            "*a",
            "!!str 1",
            "|\n  x",
            "\t",
            "{a: b}",
            "- x",
            "'",
            "\"\\x41\"",
            "1e3",
            "~",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    (0..4usize, key, value)
        .prop_map(|(depth, key, value)| format!("{:indent$}{key}: {value}\n", "", indent = 2 * depth))
}

/// A text that a log field or a header may hold.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~]{0,20}"]
}

proptest! {
    #[test]
    fn no_file_makes_the_loader_panic(text: String) {
        let _ = load(&text);
    }

    #[test]
    fn no_file_that_resembles_a_configuration_makes_the_loader_panic(lines in prop::collection::vec(line(), 0..20)) {
        let _ = load(&lines.concat());
    }

    #[test]
    fn no_variable_makes_the_loader_panic(index in 0..SETTINGS.len(), rest in "(_[A-Za-z0-9]{0,3}){0,3}", value: String) {
        let name = SETTINGS[index].key.to_ascii_uppercase().replace('.', "_");
        let _ = load_variables(&[(&format!("REGISTRY_{name}{rest}"), &value)]);
    }

    #[test]
    fn whatever_is_printed_reads_back_the_same(
        fields in prop::collection::btree_map("[a-s]{1,3}[ -~]{0,4}", field(), 0..4),
        headers in prop::collection::btree_map("[a-z]{3}-[a-z]{1,5}", prop::collection::vec("[!-~]{1,9}", 1..3), 0..3),
        root in "[^\u{0}\u{fffd}]{1,12}",
        drain in 0..86_400_000u64,
        bytes in 65_536..1_000_000_000_000u64,
        allow in prop::collection::vec("[a-z.]{1,4}[*+?]?[$]?", 0..3),
    ) {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value))).collect();
        let headers: Vec<String> = headers.iter().map(|(name, values)| format!("{name}: {values:?}")).collect();
        let allow: Vec<String> = allow.iter().map(|pattern| quoted(pattern)).collect();
        let text = format!(
            "log: {{fields: {{{}}}}}\nhttp: {{draintimeout: {drain}ms, headers: {{{}}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, uploads: {{markinterval: {bytes}}}}}\n\
             validation: {{manifests: {{urls: {{allow: [{}]}}}}}}\n",
            fields.join(", "), headers.join(", "), quoted(&root), allow.join(", "),
        );
        let loaded = load(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let printed = loaded.to_yaml();
        let again = load(&printed).unwrap_or_else(|errors| panic!("{errors}\n{printed}"));
        prop_assert_eq!(again.config, loaded.config);
    }
}

/// YAML's double quotes, every other character escaped.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| format!("\\U{:08x}", u32::from(c)));
    format!("\"{}\"", escaped.collect::<String>())
}
