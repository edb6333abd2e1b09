//! Holdfast's own signing keys: a folder with a file for each.
//!
//! A file is called `<time>-<id>.key`: when the key was made, in seconds since 1970, and its thumbprint. It holds the key in
//! PKCS #8, is read by its owner alone, and is whole from the moment that it has its name. Several processes may share the
//! folder: whoever makes or deletes keys holds the lock on `LOCK` meanwhile, and looks first at what others have left.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};

use super::error::KeyError;
use super::keys::KeySet;
use super::public_key::PublicKey;
use crate::files;

/// How long a key signs, and how long it is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    /// After this a new one signs.
    pub(super) signing: Duration,
    /// For so long after that the old one still verifies.
    pub(super) verifying: Duration,
}

/// A key that signs with ES256.
#[derive(Debug)]
pub(super) struct SigningKey {
    created: SystemTime,
    pub(super) id: String,
    pub(super) key: EncodingKey,
    pub(super) jwk: Jwk,
    path: PathBuf,
}

/// The keys of a folder, those that have had their time deleted, and a new one made where the newest is too old: the last one
/// signs. The folder is made if it is missing.
pub(super) fn maintain(folder: &Path, ages: Ages, now: SystemTime) -> Result<Vec<SigningKey>, KeyError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(KeyError::io(folder))?;
    let _lock = lock(folder)?;
    let mut keys = load(folder)?;
    let is_young = |key: &SigningKey| age(key.created, now) < ages.signing;
    if !keys.last().is_some_and(is_young) {
        keys.push(make(folder, now)?);
    }
    let successors: Vec<SystemTime> = keys.iter().skip(1).map(|key| key.created).collect();
    let spent = successors.iter().take_while(|time| age(**time, now) > ages.verifying).count();
    for key in keys.drain(..spent) {
        fs::remove_file(&key.path).map_err(KeyError::io(&key.path))?;
    }
    Ok(keys)
}

/// The public halves of a folder's keys.
pub(super) fn public_keys(folder: &Path) -> Result<KeySet, KeyError> {
    let keys = load(folder)?;
    Ok(KeySet::of_keys(keys.iter().filter_map(|key| PublicKey::of_jwk(&key.jwk))))
}

/// How long ago it was; nothing if the clock has been set back since.
fn age(time: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(time).unwrap_or_default()
}

fn lock(folder: &Path) -> Result<File, KeyError> {
    let path = folder.join("LOCK");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(KeyError::io(&path))?;
    file.lock().map_err(KeyError::io(&path))?;
    Ok(file)
}

/// Every key of the folder, the oldest first. One that another process deletes meanwhile is left out.
fn load(folder: &Path) -> Result<Vec<SigningKey>, KeyError> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder).map_err(KeyError::io(folder))? {
        let path = entry.map_err(KeyError::io(folder))?.path();
        let Some(created) = created_of(&path) else {
            continue;
        };
        match fs::read(&path) {
            Ok(pkcs8) => keys.push(SigningKey::new(path, created, &pkcs8)?),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(KeyError::Io { path, error }),
        }
    }
    keys.sort_by(|one, two| (one.created, &one.id).cmp(&(two.created, &two.id)));
    Ok(keys)
}

/// When a key was made, by the name of its file; none if that is no key's.
fn created_of(path: &Path) -> Option<SystemTime> {
    let (seconds, _) = path.file_name()?.to_str()?.strip_suffix(".key")?.split_once('-')?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))
}

impl SigningKey {
    fn new(path: PathBuf, created: SystemTime, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let key = EncodingKey::from_ec_der(pkcs8);
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).ok();
        let public = jwk.as_ref().and_then(PublicKey::of_jwk);
        let (Some(mut jwk), Some(public)) = (jwk, public) else {
            let problem = "it holds no key for ES256 in PKCS #8; if it cannot be restored, delete it: tokens that it \
                           signed are then refused, and clients ask for new ones";
            return Err(KeyError::File { path, problem: problem.to_owned() });
        };
        jwk.common.key_id = Some(public.thumbprint.clone());
        jwk.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Signature);
        Ok(Self { created, id: public.thumbprint, key, jwk, path })
    }
}

/// Makes a key that is on the disk when this returns.
fn make(folder: &Path, now: SystemTime) -> Result<SigningKey, KeyError> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| KeyError::Made("the system has no random numbers"))?;
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let created = UNIX_EPOCH + Duration::from_secs(seconds);
    let mut key = SigningKey::new(folder.to_owned(), created, pkcs8.as_ref())?;
    key.path = folder.join(format!("{seconds}-{}.key", key.id));
    let put = files::put(&key.path, &folder.join("unfinished"), pkcs8.as_ref(), None);
    put.map_err(KeyError::io(&key.path))?;
    Ok(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const AGES: Ages = Ages { signing: DAY, verifying: Duration::from_secs(3600) };

    fn noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn ids(keys: &[SigningKey]) -> Vec<&str> {
        keys.iter().map(|key| key.id.as_str()).collect()
    }

    #[test]
    fn the_first_start_makes_a_key_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("keys");
        let made = maintain(&folder, AGES, noon()).unwrap();
        let path = folder.join(format!("1800000000-{}.key", made[0].id));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!folder.join("unfinished").exists());
        let again = maintain(&folder, AGES, noon() + DAY / 2).unwrap();
        assert_eq!(ids(&made), ids(&again));
    }

    #[test]
    fn a_key_that_is_too_old_gets_a_successor_and_goes_when_its_last_token_has_expired() {
        let folder = tempfile::tempdir().unwrap();
        let first = maintain(folder.path(), AGES, noon()).unwrap();
        let both = maintain(folder.path(), AGES, noon() + DAY).unwrap();
        assert_eq!((both.len(), &both[0].id), (2, &first[0].id));
        assert_eq!(ids(&maintain(folder.path(), AGES, noon() + DAY + AGES.verifying).unwrap()), ids(&both));
        let left =
            maintain(folder.path(), AGES, noon() + DAY + AGES.verifying + Duration::from_secs(1)).unwrap();
        assert_eq!(ids(&left), [&both[1].id]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the key and the lock");
    }

    #[test]
    fn a_clock_that_is_set_back_neither_makes_nor_deletes_keys() {
        let folder = tempfile::tempdir().unwrap();
        let key = maintain(folder.path(), AGES, noon()).unwrap();
        assert_eq!(ids(&maintain(folder.path(), AGES, noon() - 100 * DAY).unwrap()), ids(&key));
    }

    #[test]
    fn what_a_crash_left_half_written_is_no_key_and_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("unfinished"), "half").unwrap();
        assert_eq!(maintain(folder.path(), AGES, noon()).unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1800000000-x.key"), "damaged").unwrap();
        let message = maintain(folder.path(), AGES, noon()).err().unwrap().to_string();
        assert!(message.contains("1800000000-x.key: it holds no key"), "{message}");
    }

    #[test]
    fn those_who_share_a_folder_make_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<Vec<SigningKey>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| maintain(folder.path(), AGES, noon()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|keys| ids(keys) == ids(&all[0]) && keys.len() == 1));
    }
}
