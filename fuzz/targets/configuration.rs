//! The configuration: any file and any variables are refused with a message, or accepted as something that reads back the
//! same from how it is shown.

use std::io::Write;

use holdfast::config::{Config, Errors, Flags, Loaded, Sources};
use tempfile::NamedTempFile;

/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";

/// The file, and behind each NUL a variable.
pub fn configuration(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let file = parts.next().unwrap_or_default();
    let variables = parts.map(|part| String::from_utf8_lossy(part).into_owned());
    let variables = variables.filter_map(|text| {
        text.split_once('=').map(|(name, value)| (format!("REGISTRY_{name}"), value.to_owned()))
    });
    match load(file, variables.filter(|(name, _)| name != "REGISTRY_CONFIGURATION_PATH").collect()) {
        Err(errors) => assert!(!errors.to_string().trim().is_empty()),
        Ok(loaded) => {
            let shown = loaded.to_yaml();
            let again =
                load(shown.as_bytes(), Vec::new()).unwrap_or_else(|errors| panic!("{errors}\n{shown}"));
            // Secrets are not shown, and so do not read back.
            if !shown.contains(HIDDEN) {
                assert_eq!(again.config, loaded.config, "{shown}");
            }
        }
    }
}

fn load(text: &[u8], environment: Vec<(String, String)>) -> Result<Loaded, Errors> {
    let memory = std::path::Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let mut file = NamedTempFile::new_in(parent).unwrap();
    file.write_all(text).unwrap();
    Config::load(Sources { file: Some(file.path().to_owned()), environment, flags: Flags::default() })
}
