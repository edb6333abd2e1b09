//! Holds `config/holdfast.yml` and the tables of `docs/CONFIGURATION.md` to the table in the code. They are written
//! anew by `UPDATE_EXPECT=1 cargo test documents`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::foreign::{Asked, FOREIGN, Foreign, Treatment};
use super::problem::Dialect;
use super::table::{SETTINGS, Theirs};
use super::{Config, Flags, Sources, example};

#[test]
fn the_example_file_holds_every_setting_with_its_default_and_its_meaning() {
    expect("config/holdfast.yml", &example());
}

#[test]
fn the_example_file_is_the_default_configuration_and_leaves_no_key_out() {
    let file = Some(project().join("config/holdfast.yml"));
    let loaded = Config::load(Sources { file, environment: [], flags: Flags::default() });
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.notes, []);
    for setting in SETTINGS {
        assert!(loaded.origin(setting.key).is_some_and(|origin| origin.is_set()), "{}", setting.key);
    }
}

#[test]
fn the_documentation_has_every_key() {
    let path = "docs/CONFIGURATION.md";
    let mut text = read(path);
    for (name, table) in [("settings", settings()), ("exceptions", exceptions()), ("others", others())] {
        text = replace_block(&text, name, &table);
    }
    expect(path, &text);
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(project().join(path)).unwrap_or_default()
}

fn expect(path: &str, text: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(project().join(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    assert_eq!(
        read(path),
        text,
        "{path} does not say what the code says: UPDATE_EXPECT=1 cargo test documents"
    );
}

fn replace_block(text: &str, name: &str, block: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: written by a test -->\n"), format!("<!-- end of {name} -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.unwrap_or_else(|| panic!("the documentation has no place for {name}"));
    format!("{before}{begin}\n{block}\n{end}{after}")
}

fn settings() -> String {
    let mut before = "";
    let mut table = String::new();
    for setting in SETTINGS {
        let section = setting.key.split('.').next().unwrap_or_default();
        if section != before {
            before = section;
            table.push_str(&format!(
                "\n### `{section}`\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n"
            ));
        }
        let default = match setting.distribution {
            Theirs::Holds(theirs) => {
                format!("`{}`; with `version: 0.1` `{theirs}`", setting.default)
            }
            _ => format!("`{}`", setting.default),
        };
        table.push_str(&row(&[
            &format!("`{}`", setting.key),
            &setting.kind.to_string(),
            &default,
            setting.meaning,
        ]));
    }
    table.trim_start().to_owned()
}

fn exceptions() -> String {
    let mut table =
        "| key left out | distribution | holdfast | why |\n| --- | --- | --- | --- |\n".to_owned();
    for setting in SETTINGS {
        if let Theirs::Differs { theirs, why } = setting.distribution {
            table.push_str(&row(&[
                &format!("`{}`", setting.key),
                theirs,
                &format!("`{}`", setting.default),
                why,
            ]));
        }
    }
    table
}

fn others() -> String {
    let mut table = "| key | what holdfast does | |\n| --- | --- | --- |\n".to_owned();
    for foreign in FOREIGN {
        let (treatment, text) = treatment_of(foreign);
        table.push_str(&row(&[&format!("`{}`", foreign.key), &treatment, text]));
    }
    table
}

fn treatment_of(foreign: &Foreign) -> (String, &'static str) {
    match &foreign.treatment {
        Treatment::Needless(why) => ("accepts it; it is not needed".to_owned(), why),
        Treatment::Without(why) => ("accepts it, with a warning".to_owned(), why),
        Treatment::Unsupported { asked: Asked::Named, instead } => ("refuses it".to_owned(), instead),
        Treatment::Unsupported { asked: Asked::Valued, instead } => {
            ("refuses it, unless it is empty or disabled".to_owned(), instead)
        }
        Treatment::Unsupported { asked: Asked::Keyed(keys), instead } => {
            (format!("refuses it when it sets `{}`", keys.join("` or `")), instead)
        }
    }
}

fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn every_default_of_both_dialects_is_valid() {
    use super::force::InForce;
    for dialect in [Dialect::Holdfast, Dialect::Distribution] {
        InForce::complete(BTreeMap::new(), dialect).to_config();
    }
}
