//! A registry with logins: a folder with its file of users, and a configuration that names it.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Builder, Holdfast, Registry};

/// A running registry, and those who may log in.
pub(crate) struct House {
    pub(crate) holdfast: Holdfast,
    folder: TempDir,
}

impl House {
    /// Those who are let in are alice, bob and carol, each with their name spelt backwards as the password. `rest` is the rest of
    /// the configuration, `{auth}` in it the file of users.
    pub(crate) fn with(rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("htpasswd");
        let lines: Vec<String> =
            ["alice", "bob", "carol"].iter().map(|name| line(name, &reversed(name))).collect();
        std::fs::write(&users, lines.join("\n")).unwrap();
        let configuration = rest.replace("{users}", users.to_str().unwrap());
        Self { holdfast: Builder::default().configuration(&configuration).start(), folder }
    }

    /// With policies, a list in YAML.
    pub(crate) fn with_policies(policies: &str) -> Self {
        Self::with(&with_policies(policies, "devs: [alice, bob]"))
    }

    /// With a file of users, all of whom may do everything.
    pub(crate) fn with_users() -> Self {
        Self::with("auth: {htpasswd: {realm: the house, path: '{users}'}}\n")
    }

    /// Has it read its configuration again (SIGHUP), with other policies and groups.
    pub(crate) fn reconfigure(&self, policies: &str, groups: &str) {
        let configuration =
            with_policies(policies, groups).replace("{users}", self.users().to_str().unwrap());
        self.holdfast.reconfigure(&configuration);
    }

    /// The file of users.
    pub(crate) fn users(&self) -> PathBuf {
        self.folder.path().join("htpasswd")
    }

    /// Waits until a line of the log has all of these, and gives the log.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, parts: &[&str]) -> String {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            let log = self.holdfast.log();
            if log.lines().any(|line| parts.iter().all(|part| line.contains(part))) {
                return log;
            }
            assert!(Instant::now() < give_up, "no line with {parts:?} in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Adds a robot account, with what else the command line has, and gives its secret.
    pub(crate) fn add_robot(&self, name: &str, more: &[&str]) -> String {
        self.robot(&[&["add", name], more].concat())
    }

    /// Runs `holdfast robot`, and waits until the registry has noticed.
    pub(crate) fn robot(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.arg("robot").arg("--root").arg(self.holdfast.root()).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::thread::sleep(Duration::from_millis(1_200));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The registry for somebody with their password.
    pub(crate) fn as_user(&self, name: &str) -> Registry {
        self.by_password(name, &reversed(name))
    }
}

impl Deref for House {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        &self.holdfast
    }
}

fn with_policies(policies: &str, groups: &str) -> String {
    format!("auth:\n  htpasswd: {{path: '{{users}}'}}\n  groups: {{{groups}}}\n  policies: {policies}\n")
}

/// A line of the file of users, hashed with the least cost that bcrypt has.
pub(crate) fn line(name: &str, password: &str) -> String {
    format!("{name}:{}", bcrypt::hash(password, 4).unwrap())
}

pub(crate) fn reversed(name: &str) -> String {
    name.chars().rev().collect()
}
