//! Secret keys on disk: files of mode 0600 in a directory of mode 0700.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use libp2p::identity::Keypair;

/// Why a key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file or its directory cannot be read or made.
    #[error("cannot use the key {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is there, but is no key. It is left as it is.
    #[error("{} is not an ed25519 seed of 32 bytes", .0.display())]
    NotAKey(PathBuf),
    /// Others on this machine could have read the key.
    #[error("{} can be read by others; make it yours alone: chmod 600", .0.display())]
    Open(PathBuf),
}

/// The 32-byte ed25519 seed called `name` in `dir`, made on first use.
pub fn seed(dir: &Path, name: &str) -> Result<[u8; 32], KeyError> {
    let path = dir.join(name);
    let io = |source| KeyError::Io {
        path: path.clone(),
        source,
    };
    private_dir(dir).map_err(io)?;
    match fs::read(&path) {
        Ok(bytes) => {
            if !is_private(&path).map_err(io)? {
                return Err(KeyError::Open(path.clone()));
            }
            bytes
                .try_into()
                .map_err(|_| KeyError::NotAKey(path.clone()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let seed = fresh_seed();
            // Written whole under another name first: a seed cut short by a crash would be lost for good.
            let draft = dir.join(format!("{name}.new"));
            let _ = fs::remove_file(&draft);
            let mut file = private_file().open(&draft).map_err(io)?;
            file.write_all(&seed)
                .and_then(|()| file.sync_all())
                .map_err(io)?;
            fs::rename(&draft, &path).map_err(io)?;
            Ok(seed)
        }
        Err(error) => Err(io(error)),
    }
}

/// The libp2p identity called `name` in `dir`, made on first use.
pub fn identity(dir: &Path, name: &str) -> Result<Keypair, KeyError> {
    let seed = seed(dir, name)?;
    Keypair::ed25519_from_bytes(seed).map_err(|_| KeyError::NotAKey(dir.join(name)))
}

/// A new seed, from the system's randomness by way of libp2p.
fn fresh_seed() -> [u8; 32] {
    let keypair = libp2p::identity::ed25519::Keypair::generate();
    let mut seed = [0; 32];
    seed.copy_from_slice(keypair.secret().as_ref());
    seed
}

/// Makes `dir` and what is above it; `dir` itself for this user alone.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent() {
        fs::create_dir_all(above)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("a/keys");
        let first = seed(&keys, "peer").unwrap();
        assert_eq!(seed(&keys, "peer").unwrap(), first);
        assert_ne!(seed(&keys, "other").unwrap(), first);
        let peer = identity(&keys, "peer").unwrap().public().to_peer_id();
        assert_eq!(identity(&keys, "peer").unwrap().public().to_peer_id(), peer);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        seed(&keys, "peer").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&keys), 0o700);
        assert_eq!(mode(&keys.join("peer")), 0o600);
        fs::set_permissions(keys.join("peer"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(seed(&keys, "peer"), Err(KeyError::Open(_))));
    }

    #[test]
    fn a_file_that_is_no_key_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = private_file().open(dir.path().join("peer")).unwrap();
        file.write_all(b"short").unwrap();
        assert!(matches!(
            seed(dir.path(), "peer"),
            Err(KeyError::NotAKey(_))
        ));
        assert_eq!(fs::read(dir.path().join("peer")).unwrap(), b"short");
    }
}
