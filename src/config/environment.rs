//! `REGISTRY_…` variables: laid over the tree that the file gave.
//!
//! `REGISTRY_HTTP_DRAINTIMEOUT=1m` sets `http.draintimeout`. The value is YAML. Beneath a setting that is a mapping
//! or a list the rest of the name is a key, taken as it is written, or an index.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::foreign::Foreign;
use super::kind::Kind;
use super::problem::{Findings, Origin, did_you_mean};
use super::schema::{self, Known};
use super::settings::Level;
use super::telemetry;
use super::tree::{Content, Node, Step};
use super::yaml::{self, Source};

const PREFIX: &str = "REGISTRY_";
/// Names the file of the configuration.
pub(super) const FILE: &str = "REGISTRY_CONFIGURATION_PATH";

/// A variable that begins as ours do.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    name: Arc<str>,
    value: String,
}

/// What the environment has for the configuration.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The variables of settings, what is general before what is special.
    pub(super) variables: Vec<Variable>,
    /// The path of the file.
    pub(super) file: Option<String>,
    /// Those of OpenTelemetry.
    pub(super) telemetry: BTreeMap<String, String>,
}

/// The variables that concern the configuration.
pub(super) fn gather(environment: impl IntoIterator<Item = (String, String)>) -> Gathered {
    let (mut file, mut variables, mut telemetry) = (None, Vec::new(), BTreeMap::new());
    for (name, value) in environment {
        if name == FILE {
            file = Some(value).filter(|path| !path.is_empty());
        } else if name.starts_with(PREFIX) && !is_kubernetes(&name, &value) {
            variables.push(Variable { name: name.into(), value });
        } else if name.starts_with(telemetry::PREFIX) {
            telemetry.insert(name, value);
        }
    }
    // Shorter first: a section before what is in it, and index 9 before index 10.
    variables.sort_by_key(|variable| (variable.name.len(), variable.name.clone()));
    Gathered { variables, file, telemetry }
}

/// Whether Kubernetes set the variable for a service whose name is, or begins with, `registry`.
fn is_kubernetes(name: &str, value: &str) -> bool {
    const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];
    let parts: Vec<&str> = name.split('_').collect();
    let is_link = |value: &str| {
        value
            .split_once("://")
            .is_some_and(|(scheme, _)| PROTOCOLS.contains(&scheme.to_ascii_uppercase().as_str()))
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_port_of_protocol = |window: &[&str]| match window {
        ["PORT", number, protocol] => is_number(number) && PROTOCOLS.contains(protocol),
        _ => false,
    };
    parts.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]))
        || (parts.last() == Some(&"PORT") && is_link(value))
        || parts.windows(3).any(is_port_of_protocol)
}

/// Where a variable points, and whether a scalar is wanted there.
struct Target {
    steps: Vec<Step>,
    scalar: bool,
}

/// Lays the variables over the tree.
pub(super) fn overlay(tree: &mut Node, variables: &[Variable], findings: &mut Findings) {
    for variable in variables {
        let origin = Origin::Variable(Arc::clone(&variable.name));
        match resolve(&variable.name) {
            None => {
                let nearest = nearest_variable(&variable.name);
                let message =
                    format!("no setting has this variable; it is ignored{}", did_you_mean(&nearest));
                findings.note(Level::Warn, &origin, "", message);
            }
            Some(target) => {
                if let Some(node) = read(variable, target.scalar, findings) {
                    tree.set(&target.steps, node, findings);
                }
            }
        }
    }
}

/// The value of a variable. Where a scalar is wanted, what is no YAML scalar is taken as it is: `[::1]:5000`.
fn read(variable: &Variable, scalar: bool, findings: &mut Findings) -> Option<Node> {
    let source = Source::Variable(Arc::clone(&variable.name));
    let mut attempt = Findings::default();
    let node = yaml::parse(&variable.value, &source, &mut attempt);
    let is_scalar = matches!(&node, Some(Node { content: Content::Scalar { .. } | Content::Null, .. }));
    if scalar && !is_scalar {
        return Some(Node::text(Origin::Variable(Arc::clone(&variable.name)), &variable.value));
    }
    findings.problems.append(&mut attempt.problems);
    node
}

/// Finds what a name stands for: the longest known key that its parts spell, and the way on from there.
fn resolve(name: &str) -> Option<Target> {
    let parts: Vec<&str> = name.strip_prefix(PREFIX)?.split('_').collect();
    let mut key = String::new();
    for (index, part) in parts.iter().enumerate() {
        if *part != part.to_ascii_uppercase() || part.is_empty() {
            return None;
        }
        if index > 0 {
            key.push('.');
        }
        key.push_str(&part.to_ascii_lowercase());
        let rest = parts.get(index + 1..)?;
        let beneath = match schema::find(&key)? {
            Known::Section if rest.is_empty() => Some((Vec::new(), false)),
            Known::Section => continue,
            Known::Setting(setting) => beneath_setting(&setting.kind, rest),
            Known::Foreign(foreign) => beneath_foreign(foreign, rest),
        };
        let (mut further, scalar) = beneath?;
        let mut steps = Step::all(&key);
        steps.append(&mut further);
        return Some(Target { steps, scalar });
    }
    None
}

/// The way from a setting to what is named by the rest, and whether a scalar is wanted there.
fn beneath_setting(kind: &Kind, rest: &[&str]) -> Option<(Vec<Step>, bool)> {
    let key = |parts: &[&str]| Step::Key(parts.join("_"));
    let index = |part: &str| part.parse().ok().map(Step::Index);
    match (kind, rest) {
        (kind, []) => Some((Vec::new(), kind.is_scalar())),
        (Kind::Headers, [name @ .., last]) if !name.is_empty() && index(last).is_some() => {
            Some((vec![key(name), index(last)?], true))
        }
        (Kind::Headers, name) => Some((vec![key(name)], false)),
        (Kind::Fields, name) => Some((vec![key(name)], true)),
        (Kind::Patterns | Kind::Words(_) | Kind::Texts { .. }, [number]) => {
            Some((vec![index(number)?], true))
        }
        (Kind::Platforms | Kind::Issuers | Kind::Checks(_), [number]) => Some((vec![index(number)?], false)),
        (Kind::Platforms | Kind::Issuers | Kind::Checks(_), [number, name]) => {
            let name = name.to_ascii_lowercase();
            let is_scalar = name != "headers";
            Some((vec![index(number)?, Step::Key(name)], is_scalar))
        }
        (Kind::Endpoints, [number, path @ ..]) => {
            let mut steps = vec![index(number)?];
            steps.extend(path.iter().map(|part| match part.parse() {
                Ok(number) => Step::Index(number),
                // Names of headers keep their case.
                Err(_) if path.first().is_some_and(|first| *first == "HEADERS") && *part != "HEADERS" => {
                    key(&[part])
                }
                Err(_) => Step::Key(part.to_ascii_lowercase()),
            }));
            Some((steps, false))
        }
        _ => None,
    }
}

/// The way from a foreign key to what is named by the rest. Nothing there is read closely.
fn beneath_foreign(foreign: &Foreign, rest: &[&str]) -> Option<(Vec<Step>, bool)> {
    let step = |part: &&str| match part.parse() {
        Ok(index) => Step::Index(index),
        Err(_) => Step::Key(part.to_ascii_lowercase()),
    };
    let named: Vec<String> = rest
        .iter()
        .take_while(|part| part.parse::<usize>().is_err())
        .map(|part| part.to_ascii_lowercase())
        .collect();
    let name = named.join(".");
    let known = foreign.keys.is_empty()
        || name.is_empty()
        || foreign
            .keys
            .iter()
            .any(|key| *key == name || schema::is_beneath(key, &name) || schema::is_beneath(&name, key));
    known.then(|| (rest.iter().map(step).collect(), false))
}

fn nearest_variable(name: &str) -> Option<String> {
    let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace('_', ".");
    schema::nearest(&key).map(|key| format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "_")))
}
