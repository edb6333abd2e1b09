//! The database is not the only copy of the metadata: whenever a store is opened, its archive and its log must tell the
//! same without it.

use std::path::Path;
use std::time::Duration;

use holdfast::store::archive_probe::{Retold, first_copy, second_copy};
use holdfast::store::{Options, Store};

use crate::story::Story;

const ROOT: &str = "/";

/// Compares both copies on a machine of their own, where nothing fails and nothing happens meanwhile.
pub(crate) fn compare(story: &Story) -> Result<(), String> {
    let machine = story.machine.copy(0);
    machine.kill();
    if machine.disk().length(&Path::new(ROOT).join("FORMAT")).is_err() {
        // No store yet.
        return Ok(());
    }
    let second = second_copy(&machine.disk(), Path::new(ROOT));
    let second = second.map_err(|error| format!("without the database: {error}"))?;
    let options = Options { settle_interval: Duration::from_secs(3_600), ..story.options.clone() };
    let store = Store::open_on(machine.disk(), Path::new(ROOT), &options);
    let store = store.map_err(|error| format!("the store could not be opened on a copy: {error}"))?;
    let first = first_copy(&store.read()).map_err(|error| format!("the database: {error}"))?;
    match first == second {
        true => Ok(()),
        false => Err(differ(&first, &second)),
    }
}

fn differ(first: &Retold, second: &Retold) -> String {
    let lacks = |all: &Retold, some: &Retold| {
        let lacking = all.lines.iter().filter(|line| !some.lines.contains(line)).cloned();
        lacking.collect::<Vec<_>>().join("\n    ")
    };
    format!(
        "the database goes to record {}, its second copy to {}; the second lacks\n    {}\nand has besides\n    {}",
        first.sequence,
        second.sequence,
        lacks(first, second),
        lacks(second, first)
    )
}
