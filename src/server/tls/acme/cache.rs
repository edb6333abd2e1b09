//! The folder with the account and the certificates, laid out as distribution's: a file in PEM for each host, named like it, with
//! the private key first. Names with a `+` are no hosts'. Only the registry's own user may read what is in it.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::account::Kept;
use super::error::AcmeError;
use super::issued::Issued;
use crate::files;
use crate::server::tls::files::TlsError;

const ACCOUNT: &str = "acme_account+credentials.json";
/// What a file is called while it is written.
const UNFINISHED: &str = "unfinished+";

#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Makes the folder where there is none, and sees that it can be written.
    pub(super) fn open(folder: &Path) -> Result<Self, TlsError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let usable = made.and_then(|()| {
            let wanted = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
            rustix::fs::access(folder, wanted).map_err(io::Error::from)
        });
        match usable {
            Ok(()) => Ok(Self { folder: folder.to_owned() }),
            Err(source) => Err(TlsError::Cache { folder: folder.to_owned(), source }),
        }
    }

    /// The certificate of a host and its key, if they are there; an error says why they cannot be used.
    pub(super) fn certificate(&self, host: &str) -> Result<Option<Issued>, String> {
        let path = self.folder.join(host);
        match fs::read(&path) {
            Ok(pem) => {
                let unusable = |problem| format!("{} cannot be used: {problem}", path.display());
                Issued::from_pem(&pem).map(Some).map_err(unusable)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        }
    }

    /// Keeps a certificate in the place of the one before.
    pub(super) fn keep_certificate(&self, host: &str, pem: &str) -> Result<(), AcmeError> {
        self.put(host, pem.as_bytes())
    }

    /// The account, if there is one that can be read. A lost account costs nothing but another one.
    pub(super) fn account(&self) -> Option<Kept> {
        let bytes = fs::read(self.folder.join(ACCOUNT)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn keep_account(&self, account: &Kept) -> Result<(), AcmeError> {
        let json = serde_json::to_vec(account).expect("an account is plain text");
        self.put(ACCOUNT, &json)
    }

    pub(super) fn forget_account(&self) {
        // One that stays is found unknown again.
        let _ = fs::remove_file(self.folder.join(ACCOUNT));
    }

    /// Puts a file in the place of the one before, in one go; when this returns it survives a power cut.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), AcmeError> {
        let path = self.folder.join(name);
        let unfinished = self.folder.join(format!("{UNFINISHED}{name}"));
        let written = files::put(&path, &unfinished, bytes, None);
        written.map_err(|source| AcmeError::Write { path, source })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn pem() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(["a.example.com".to_owned()]).unwrap();
        format!("{}{}", key.serialize_pem(), parameters.self_signed(&key).unwrap().pem())
    }

    #[test]
    fn what_is_kept_is_found_again_and_only_its_owner_reads_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("deep/cache");
        let cache = Cache::open(&folder).unwrap();
        assert!(cache.certificate("a.example.com").unwrap().is_none());
        fs::write(folder.join("unfinished+a.example.com"), "half").unwrap();
        cache.keep_certificate("a.example.com", &pem()).unwrap();
        let first = Cache::open(&folder).unwrap().certificate("a.example.com").unwrap().unwrap();
        cache.keep_certificate("a.example.com", &pem()).unwrap();
        let second = cache.certificate("a.example.com").unwrap().unwrap();
        assert_ne!(first.leaf.serial, second.leaf.serial);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("a.example.com"))), (0o700, 0o600));
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["a.example.com"]);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_never_an_account() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        fs::write(folder.path().join("a.example.com"), "-----BEGIN nothing").unwrap();
        let problem = cache.certificate("a.example.com").unwrap_err();
        assert!(problem.contains("a.example.com cannot be used"), "{problem}");
        fs::write(folder.path().join(ACCOUNT), "{").unwrap();
        assert!(cache.account().is_none());
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_an_error_that_says_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = Cache::open(file.path()).unwrap_err().to_string();
        assert!(message.contains("cachefile") && message.contains("folder"), "{message}");
    }
}
