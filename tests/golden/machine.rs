//! Golden stores on a simulated disk, where they can be cut off at any call.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use holdfast::oci::Algorithm;
use holdfast::store::Disk;
use holdfast::store::simulated::Simulated;

use crate::folder::{files, unpack};

/// A machine with a store that was kept, all of it durable, and what is expected of it.
pub(crate) fn with_store(source: &Path) -> (Simulated, String) {
    let (folder, expected) = unpack(source);
    let machine = Simulated::new(0);
    let disk = machine.disk();
    for above in ["/log", "/archive", "/uploads", "/blobs"] {
        disk.create_folder(Path::new(above)).unwrap();
    }
    for algorithm in Algorithm::ALL {
        let above = Path::new("/blobs").join(algorithm.as_str());
        disk.create_folder(&above).unwrap();
        (0..=u8::MAX).for_each(|shard| disk.create_folder(&above.join(format!("{shard:02x}"))).unwrap());
        disk.sync_folder(&above).unwrap();
    }
    for file in files(folder.path()) {
        copy(&disk, &file, &Path::new("/").join(file.strip_prefix(folder.path()).unwrap()));
    }
    for above in ["/blobs", "/"] {
        disk.sync_folder(Path::new(above)).unwrap();
    }
    machine.kill();
    (machine, expected)
}

/// Writes everything that a machine has into a folder.
pub(crate) fn unload(machine: &Simulated, target: &Path) {
    unload_folder(&*machine.disk(), Path::new("/"), target);
}

fn unload_folder(disk: &dyn Disk, folder: &Path, target: &Path) {
    fs::create_dir_all(target).unwrap();
    for name in disk.list(folder).unwrap() {
        let (path, to) = (folder.join(&name), target.join(&name));
        match disk.length(&path) {
            Ok(length) => {
                let mut bytes = vec![0; usize::try_from(length).unwrap()];
                disk.open_for_reading(&path).unwrap().read_exact_at(&mut bytes, 0).unwrap();
                fs::write(to, bytes).unwrap();
            }
            Err(_) => unload_folder(disk, &path, &to),
        }
    }
}

fn copy(disk: &Arc<dyn Disk>, from: &Path, to: &Path) {
    let file = disk.create(to).unwrap();
    file.write_at(&fs::read(from).unwrap(), 0).unwrap();
    file.sync().unwrap();
    disk.sync_folder(to.parent().unwrap()).unwrap();
}
