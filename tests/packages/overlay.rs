//! A root of its own: what is changed there lies over this machine's files, and goes away with the test.

use std::path::Path;
use std::process::Command;

/// A command whose root, `$root` in the shell script `then`, is a copy of this machine's in which the package lies as `/package.deb`.
/// It is mounted below `scratch`, for this command alone. What is given to the command besides is `$1` and so on.
pub(crate) fn over_this_machine(scratch: &Path, package: &Path, then: &str) -> Command {
    const MOUNT: &str = r#"
        scratch=$1 package=$2 then=$3 root=$1/root
        shift 3
        mount -t tmpfs tmpfs "$scratch" && mkdir "$scratch/upper" "$scratch/work" "$root"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
        cp "$package" "$root/package.deb"
        eval "$then"
    "#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", MOUNT, "sh"]).arg(scratch).arg(package).arg(then);
    command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8").env_remove("TMPDIR");
    command
}
