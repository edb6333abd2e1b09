//! Configurations written as files: what is in force with the origin of each value, and the example.

use super::load::Loaded;
use super::problem::{Dialect, Origin};
use super::table::{SETTINGS, Setting, Theirs};

/// The column in which origins begin.
const COMMENTS: usize = 48;

impl Loaded {
    /// What is in force as YAML that reads back the same, secrets hidden. Each value's origin stands behind it, the
    /// notes stand at the end.
    pub fn to_yaml(&self) -> String {
        let mut yaml = match (&self.file, self.dialect) {
            (None, _) => "# No file was read.\n".to_owned(),
            (Some(file), Dialect::Holdfast) => {
                format!("# File: {}\n", one_line(&file.display().to_string()))
            }
            (Some(file), Dialect::Distribution) => {
                let file = one_line(&file.display().to_string());
                format!("# File: {file}, of distribution's version 0.1, whose defaults hold\n")
            }
        };
        let mut outline = Outline::default();
        for (setting, value, origin) in self.in_force.iter() {
            let line = outline.line(setting.key, &value.to_yaml(), &mut yaml);
            yaml.push_str(&format!("{line:<COMMENTS$} # {}\n", one_line(&self.origin_of(setting, origin))));
        }
        for note in &self.notes {
            yaml.push_str(&format!("# {}\n", one_line(&note.to_string())));
        }
        yaml
    }

    /// An origin, with distribution's default where one of its users would expect that.
    fn origin_of(&self, setting: &Setting, origin: &Origin) -> String {
        match &setting.distribution {
            Theirs::Differs { theirs, .. } if self.dialect == Dialect::Distribution && !origin.is_set() => {
                format!("{origin} (distribution: {theirs})")
            }
            _ => origin.to_string(),
        }
    }
}

const EXAMPLE_HEAD: &str = "\
# holdfast's configuration: every setting with its default. A file needs to hold only what differs.
#
# Each setting can also be given by a variable: REGISTRY_ and the key in capitals, its parts joined by underscores,
# such as REGISTRY_HTTP_ADDR=:5000. A flag beats a variable, a variable the file.
#
# Durations are written like 500ms, 8s, 15m or 1h30m; sizes in bytes, or with KiB, MiB, GiB or TiB.
# A file of distribution's is recognised by its `version: 0.1`; see docs/CONFIGURATION.md.
";

/// A file with every setting, its default and what it means.
pub fn example() -> String {
    let mut yaml = EXAMPLE_HEAD.to_owned();
    let mut outline = Outline::default();
    for setting in SETTINGS {
        let top = outline.sections.first().copied();
        if top != setting.key.split('.').next() {
            yaml.push('\n');
        }
        let line = outline.line(setting.key, setting.default, &mut yaml);
        let indent = line.len() - line.trim_start().len();
        let takes = format!("Takes {}.", setting.kind);
        for comment in wrap(setting.meaning, 110 - indent).into_iter().chain([takes]) {
            yaml.push_str(&format!("{:indent$}# {comment}\n", ""));
        }
        yaml.push_str(&line);
        yaml.push('\n');
    }
    yaml
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Makes a text fit for a comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') { '?' } else { c })
        .collect()
}

/// Turns keys in full into nested ones.
#[derive(Default)]
struct Outline {
    sections: Vec<&'static str>,
}

impl Outline {
    /// Writes the headings of the sections that begin with this key, and returns the line of the key itself.
    fn line(&mut self, key: &'static str, value: &str, yaml: &mut String) -> String {
        let mut sections: Vec<&str> = key.split('.').collect();
        let name = sections.pop().unwrap_or_default();
        let shared = sections.iter().zip(&self.sections).take_while(|(new, old)| new == old).count();
        for (depth, section) in sections.iter().enumerate().skip(shared) {
            yaml.push_str(&format!("{:indent$}{section}:\n", "", indent = 2 * depth));
        }
        let indent = 2 * sections.len();
        self.sections = sections;
        format!("{:indent$}{name}: {value}", "")
    }
}
