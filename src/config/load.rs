//! From a file, variables and flags to what is in force, or to everything that is wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment::{self, Gathered};
use super::force::InForce;
use super::problem::{Dialect, Errors, Fault, Findings, Note, Origin};
use super::settings::Config;
use super::telemetry;
use super::tree::{Content, Node, Step};
use super::walk;
use super::yaml::{self, Source};

/// Where a configuration comes from. A flag beats a variable, a variable the file, the file a default.
#[derive(Clone, Debug, Default)]
pub struct Sources<Environment> {
    /// The file; if `None`, the one that `REGISTRY_CONFIGURATION_PATH` names.
    pub file: Option<PathBuf>,
    /// Names and values of environment variables, such as [`process_environment`] gives.
    pub environment: Environment,
    /// What the command line says.
    pub flags: Flags,
}

/// Settings that the command line can give.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--addr`, for `http.addr`.
    pub addr: Option<String>,
    /// `--root`, for `storage.filesystem.rootdirectory`.
    pub root: Option<PathBuf>,
}

/// A configuration and how it came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// What is to be said at the start.
    pub notes: Vec<Note>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Whose defaults hold.
    pub dialect: Dialect,
    pub(super) in_force: InForce,
}

impl Loaded {
    /// Where the value of a key comes from; `None` if there is no such setting.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.in_force.origin(key)
    }

    /// The keys whose values differ from those of another configuration, in the order of the example file.
    pub fn changed_from(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.in_force.iter().zip(other.in_force.iter());
        pairs.filter(|(new, old)| new.1 != old.1).map(|(new, _)| new.0.key).collect()
    }

    /// Whether deletion is off only because that is distribution's default: worth saying at the start.
    pub fn delete_disabled_by_distribution_default(&self) -> bool {
        self.origin("storage.delete.enabled") == Some(&Origin::Default(Dialect::Distribution))
    }
}

/// The variables of this process. What is no Unicode has U+FFFD in its place, which the checks refuse.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// The largest file that is read, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

impl Config {
    /// Reads the configuration. Nothing but the file is read; every error is reported, not only the first.
    pub fn load<Environment>(sources: Sources<Environment>) -> Result<Loaded, Errors>
    where
        Environment: IntoIterator<Item = (String, String)>,
    {
        let mut gathered = environment::gather(sources.environment);
        let file = sources.file.or(gathered.file.take().map(PathBuf::from));
        let mut findings = Findings::default();
        let tree = file.as_deref().and_then(|path| read_file(path, &mut findings));
        resolve(tree, file, &gathered, &sources.flags, findings)
    }
}

impl Default for Config {
    /// What holds when nobody sets anything.
    fn default() -> Self {
        InForce::complete(BTreeMap::new(), Dialect::Holdfast).to_config()
    }
}

/// Lays everything over the tree of the file and makes it the configuration.
fn resolve(
    tree: Option<Node>,
    file: Option<PathBuf>,
    gathered: &Gathered,
    flags: &Flags,
    mut findings: Findings,
) -> Result<Loaded, Errors> {
    let mut tree = tree.unwrap_or_else(|| Node::empty_map(Origin::Default(Dialect::Holdfast)));
    let dialect = take_version(&mut tree, &mut findings);
    telemetry::overlay(&mut tree, &gathered.telemetry, &mut findings);
    environment::overlay(&mut tree, &gathered.variables, &mut findings);
    overlay_flags(&mut tree, flags, &mut findings);
    overlay_older_names(&mut tree, &mut findings);
    let given = walk::settings_of(&tree, &mut findings);
    let mut in_force = InForce::complete(given, dialect);
    in_force.check(&mut findings);
    if !findings.problems.is_empty() {
        return Err(Errors::new(findings.problems));
    }
    Ok(Loaded { config: in_force.to_config(), notes: findings.notes, file, dialect, in_force })
}

fn read_file(path: &Path, findings: &mut Findings) -> Option<Node> {
    let name: Arc<Path> = path.into();
    match read_text(path) {
        Ok(text) => {
            let node = yaml::parse(&text, &Source::File(name), findings)?;
            if matches!(node.content, Content::Map(_) | Content::Null) {
                return Some(node);
            }
            findings.problem(&node.origin, "", node.mismatch("a mapping of keys"));
            None
        }
        Err(message) => {
            let origin = Origin::File { path: name, line: None, column: None };
            findings.problem(&origin, "", Fault::Unreadable(message));
            None
        }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err("it is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
}

/// Takes `version` out of the tree: it says whose file this is.
fn take_version(tree: &mut Node, findings: &mut Findings) -> Dialect {
    let Content::Map(entries) = &mut tree.content else {
        return Dialect::Holdfast;
    };
    let Some(index) = entries.iter().position(|entry| entry.key == "version") else {
        return Dialect::Holdfast;
    };
    let node = entries.remove(index).node;
    match &node.content {
        Content::Null => return Dialect::Holdfast,
        Content::Scalar { text, .. } if text == "0.1" => {}
        Content::Scalar { text, .. } => {
            findings.problem(&node.origin, "version", Fault::Version(text.clone()));
        }
        _ => findings.problem(&node.origin, "version", node.mismatch("0.1")),
    }
    Dialect::Distribution
}

fn overlay_flags(tree: &mut Node, flags: &Flags, findings: &mut Findings) {
    let root = flags.root.as_deref().map(Path::to_string_lossy);
    let given = [
        ("--addr", "http.addr", flags.addr.as_deref()),
        ("--root", "storage.filesystem.rootdirectory", root.as_deref()),
    ];
    for (flag, key, value) in given {
        if let Some(value) = value {
            tree.set(&Step::all(key), Node::text(Origin::Flag(flag), value), findings);
        }
    }
}

/// `loglevel` counts as `log.level` where that is not given.
fn overlay_older_names(tree: &mut Node, findings: &mut Findings) {
    let given = |node: Option<&Node>| node.filter(|node| !matches!(node.content, Content::Null)).cloned();
    let older = given(tree.get(&["loglevel"]));
    if let (Some(older), None) = (older, given(tree.get(&["log", "level"]))) {
        tree.set(&Step::all("log.level"), older, findings);
    }
}
