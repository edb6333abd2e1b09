//! The Debian package, installed in a root of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::artefacts::artefact;
use crate::overlay::over_this_machine;

/// The package of this machine's architecture.
fn package() -> Option<PathBuf> {
    let output = Command::new("dpkg").arg("--print-architecture").output().ok()?;
    let architecture = String::from_utf8(output.stdout).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    artefact(&format!("holdfast_{version}-1_{}.deb", architecture.trim()), "scripts/deb")
}

pub(crate) fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// Runs a shell script as root over a copy of this machine's files, in which the package lies as `/package.deb`; what it said.
#[track_caller]
fn in_a_root_of_its_own(package: &Path, script: &str) -> String {
    const ENTER: &str = r#"
        cd "$root" && mount --rbind /proc proc && mount --rbind /dev dev
        exec chroot . sh -euc "$1"
    "#;
    let folder = tempfile::tempdir().unwrap();
    let mut command = over_this_machine(folder.path(), package, ENTER);
    command.arg(script);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{script}: {}", said(&output));
    said(&output)
}

/// The package, where it can be installed.
pub(crate) fn installable() -> Option<PathBuf> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can install a package in a root of its own");
        return None;
    }
    package()
}

#[test]
fn lintian_finds_nothing_in_the_package() {
    let Some(package) = package() else { return };
    let lintian =
        Command::new("lintian").args(["--allow-root", "--fail-on=error,warning"]).arg(package).output();
    let Ok(output) = lintian else { return eprintln!("skipped: lintian is not installed") };
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
}

#[test]
fn an_installed_package_serves_as_its_own_user() {
    let Some(package) = installable() else { return };
    let said = in_a_root_of_its_own(
        &package,
        r#"
        dpkg -i /package.deb >&2
        stat -c '%U:%G %a' /etc/holdfast
        install -d -m 700 -o holdfast -g holdfast /var/lib/holdfast
        export REGISTRY_CONFIGURATION_PATH=/etc/holdfast/config.yml REGISTRY_HTTP_ADDR=127.0.0.1:0
        setpriv --reuid holdfast --regid holdfast --init-groups timeout --preserve-status 60 holdfast serve 2>/log &
        server=$!
        for attempt in $(seq 100); do grep -q 'listening on' /log && break; sleep 0.1; done
        sed -n 's/.*listening on \([^ ]*\) .*/\1/p' /log >/url
        holdfast healthcheck "$(cat /url)/" && echo well
        stat -c '%U %n' /var/lib/holdfast/FORMAT
        kill "$server" && wait "$server"
        "#,
    );
    for line in ["root:holdfast 750", "well", "holdfast /var/lib/holdfast/FORMAT"] {
        assert!(said.lines().any(|said| said == line), "{line} is missing: {said}");
    }
}

#[test]
fn systemd_accepts_what_the_package_brings_and_has_the_service_enabled() {
    let Some(package) = installable() else { return };
    let said = in_a_root_of_its_own(
        &package,
        r#"
        dpkg -i /package.deb >/dev/null 2>&1
        test -L /etc/systemd/system/multi-user.target.wants/holdfast.service
        cp /usr/share/doc/holdfast/config/holdfast.socket /etc/systemd/system/
        systemd-analyze verify holdfast.service holdfast.socket
        "#,
    );
    assert_eq!(said, "");
}

#[test]
fn manual_pages_completions_and_guides_are_where_they_are_looked_for() {
    let Some(package) = installable() else { return };
    in_a_root_of_its_own(
        &package,
        r#"
        dpkg -i /package.deb
        test -s /usr/share/man/man1/holdfast-serve.1.gz
        bash -c 'source /usr/share/bash-completion/completions/holdfast && complete -p holdfast'
        test -s /usr/share/zsh/vendor-completions/_holdfast
        test -s /usr/share/fish/vendor_completions.d/holdfast.fish
        cd /usr/share/doc/holdfast
        grep -o '](\(docs\|config\)/[^)#]*' README.md | cut -c 3- | sort -u | while read -r file; do test -e "$file"; done
        "#,
    );
}

#[test]
fn a_package_that_is_removed_leaves_the_images_and_only_they_outlive_a_purge() {
    let Some(package) = installable() else { return };
    let said = in_a_root_of_its_own(
        &package,
        r#"
        dpkg -i /package.deb
        install -d /var/lib/holdfast && touch /var/lib/holdfast/FORMAT
        echo '# mine' >>/etc/holdfast/config.yml
        dpkg -i /package.deb && grep -q '# mine' /etc/holdfast/config.yml
        dpkg -r holdfast
        test ! -e /usr/bin/holdfast && test -e /etc/holdfast/config.yml
        dpkg -P holdfast
        test ! -e /etc/holdfast && test -e /var/lib/holdfast/FORMAT
        test -z "$(find /usr /etc -name '*holdfast*')"
        "#,
    );
    assert!(said.contains("the images stay in /var/lib/holdfast"), "{said}");
}
