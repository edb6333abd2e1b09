//! The Debian package under systemd: on a machine of its own, booted from a copy of this one's files, with a network of its own.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::client::skip;
use crate::daemon::Daemon;
use crate::debian::{installable, said};
use crate::overlay::over_this_machine;

/// Runs a shell script on a machine on which the package is installed, or says that there is none.
#[track_caller]
fn with_the_package(script: &str) {
    let Some(package) = installable() else { return };
    if !is_bootable(&package) {
        return skip("systemd", "systemd-nspawn (Debian's systemd-container) cannot boot a machine here");
    }
    let machine = Machine::boot(&package);
    machine.run("dpkg -i /package.deb");
    machine.run(script);
}

/// A booted machine; it is shut down with the test.
struct Machine {
    /// The process id of its systemd.
    init: String,
    _daemon: Daemon,
    _scratch: TempDir,
}

impl Machine {
    fn boot(package: &Path) -> Self {
        const UP: &str = "systemctl is-system-running --wait | grep -qE 'running|degraded'";
        let (name, scratch) = (name(), tempfile::tempdir().unwrap());
        let mut nspawn = nspawn(scratch.path(), package, &name, "basic.target");
        let is_up = || init_of(&name).is_some_and(|init| enter(&init, UP).is_ok());
        let daemon = Daemon::start(&mut nspawn, &scratch.path().join("log"), is_up);
        Self { init: init_of(&name).unwrap(), _daemon: daemon, _scratch: scratch }
    }

    /// Runs a shell script there, which must go well.
    #[track_caller]
    fn run(&self, script: &str) {
        if let Err(said) = enter(&self.init, script) {
            let journal = enter(&self.init, "journalctl --no-pager -u 'holdfast*'");
            panic!("{script}: {said}\n{}", journal.unwrap_or_else(|said| said));
        }
    }
}

/// A name that no other machine has.
fn name() -> String {
    static NAMED: AtomicUsize = AtomicUsize::new(0);
    format!("holdfast-{}-{}", std::process::id(), NAMED.fetch_add(1, Ordering::Relaxed))
}

/// Boots a machine of this name up to a unit.
fn nspawn(scratch: &Path, package: &Path, name: &str, unit: &str) -> Command {
    const BOOT: &str = r#"
        rm -f "$root/usr/sbin/policy-rc.d"
        exec timeout 300 systemd-nspawn --quiet --boot --register=no --keep-unit --private-network --link-journal=no \
            --console=read-only --machine "$1" --directory "$root" "systemd.unit=$2"
    "#;
    let mut command = over_this_machine(scratch, package, BOOT);
    command.args([name, unit]);
    command
}

/// Whether one can be booted here at all: it is shut down at once.
fn is_bootable(package: &Path) -> bool {
    let scratch = tempfile::tempdir().unwrap();
    let output = nspawn(scratch.path(), package, &name(), "poweroff.target").output().unwrap();
    if !output.status.success() {
        eprintln!("{}", said(&output));
    }
    output.status.success()
}

/// The systemd of the machine with this name, once it runs.
fn init_of(name: &str) -> Option<String> {
    let find = |arguments: &[&str]| {
        let output = Command::new("pgrep").args(arguments).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        found.split_whitespace().next().map(str::to_owned)
    };
    let nspawn = find(&["--exact", "--full", &format!("systemd-nspawn .*--machine {name} .*")])?;
    find(&["--exact", "systemd", "--parent", &nspawn])
}

/// What a shell script wrote to standard output on the machine with this systemd; if it failed or took a minute, all that it wrote.
fn enter(init: &str, script: &str) -> Result<String, String> {
    let mut command = Command::new("timeout");
    command.args(["60", "nsenter", "--target", init, "--all", "sh", "-euc", script]);
    let output = command.output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(said(&output)),
    }
}

/// Pushes this text as a blob; then `$blob` is where it lies.
const PUSH: &str = r#"
    printf 'a blob' >/blob
    digest=sha256:$(sha256sum /blob | cut -d ' ' -f 1)
    blob=http://127.0.0.1:$port/v2/team/app/blobs/$digest
    curl -sSf --data-binary @/blob -H 'Content-Type: application/octet-stream' \
        "http://127.0.0.1:$port/v2/team/app/blobs/uploads/?digest=$digest"
"#;

#[test]
fn the_installed_service_serves_reloads_and_comes_back_when_it_was_killed() {
    with_the_package(&format!(
        r#"
        port=5000
        systemctl is-enabled --quiet holdfast && systemctl is-active --quiet holdfast
        {PUSH}
        test "$(curl -sSf "$blob")" = 'a blob'
        systemctl show --property User holdfast | grep -qx User=holdfast
        systemctl reload holdfast
        kill -KILL "$(systemctl show --property MainPID --value holdfast)"
        until systemctl show --property NRestarts holdfast | grep -qx NRestarts=1; do sleep 0.1; done
        until systemctl is-active --quiet holdfast; do sleep 0.1; done
        test "$(curl -sSf "$blob")" = 'a blob'
        dpkg --remove holdfast >/dev/null
        ! curl -s "$blob"
        "#
    ));
}

#[test]
fn with_the_socket_nobody_is_refused_while_the_service_restarts() {
    with_the_package(&format!(
        r#"
        port=80
        cp /usr/share/doc/holdfast/config/holdfast.socket /etc/systemd/system/
        install -d /etc/systemd/system/holdfast.socket.d
        printf '[Socket]\nListenStream=\nListenStream=80\n' >/etc/systemd/system/holdfast.socket.d/port.conf
        systemctl daemon-reload
        systemctl stop holdfast
        systemctl enable --quiet --now holdfast.socket
        systemctl start holdfast
        {PUSH}
        for restart in 1 2 3; do systemctl restart holdfast; done &
        restarts=$!
        answers=0
        while kill -0 "$restarts" 2>/dev/null; do
            test "$(curl -sSf --max-time 30 "$blob")" = 'a blob'
            answers=$((answers + 1))
        done
        test "$answers" -ge 3
        "#
    ));
}
