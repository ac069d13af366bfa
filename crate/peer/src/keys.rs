//! Secret keys on disk: files of mode 0600 in a directory of mode 0700.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use libp2p::identity::Keypair;
use zeroize::Zeroizing;

/// An ed25519 seed, wiped when it is dropped.
pub type Seed = Zeroizing<[u8; SEED_BYTES]>;
/// Length of a seed.
const SEED_BYTES: usize = 32;

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
    /// A new key was to be written where there is something already. It is left as it is.
    #[error("{} is there already and stays as it is; name another file with --key", .0.display())]
    Taken(PathBuf),
}

impl KeyError {
    fn io(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// The seed called `name` in `dir`, made on first use.
pub fn seed(dir: &Path, name: &str) -> Result<Seed, KeyError> {
    let path = dir.join(name);
    match read(&path) {
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            match new(&path) {
                // Another process was quicker.
                Err(KeyError::Taken(path)) => read(&path),
                made => made,
            }
        }
        read => read,
    }
}

/// The seed in a file.
pub fn read(path: &Path) -> Result<Seed, KeyError> {
    let io = KeyError::io(path);
    let mut file = File::open(path).map_err(&io)?;
    if !is_private(&file).map_err(&io)? {
        return Err(KeyError::Open(path.to_owned()));
    }
    let mut seed = Seed::default();
    match file.read_exact(&mut *seed) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(KeyError::NotAKey(path.to_owned()));
        }
        Err(error) => return Err(io(error)),
    }
    match file.read(&mut [0]).map_err(&io)? {
        0 => Ok(seed),
        _ => Err(KeyError::NotAKey(path.to_owned())),
    }
}

/// Makes a seed and writes it to a file that is not there yet.
pub fn new(path: &Path) -> Result<Seed, KeyError> {
    let io = KeyError::io(path);
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    private_dir(dir).map_err(&io)?;
    let seed = fresh_seed();
    // Written whole under another name first: a seed cut short by a crash would be lost for good.
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let _ = fs::remove_file(&draft);
    let written = private_file().open(&draft).and_then(|mut file| {
        file.write_all(&*seed)?;
        file.sync_all()?;
        // Unlike a rename, a link never takes the place of what is there.
        fs::hard_link(&draft, path)
    });
    let _ = fs::remove_file(&draft);
    match written {
        Ok(()) => Ok(seed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeyError::Taken(path.to_owned()))
        }
        Err(error) => Err(io(error)),
    }
}

/// The libp2p identity called `name` in `dir`, made on first use.
pub fn identity(dir: &Path, name: &str) -> Result<Keypair, KeyError> {
    let mut seed = seed(dir, name)?;
    Keypair::ed25519_from_bytes(&mut *seed).map_err(|_| KeyError::NotAKey(dir.join(name)))
}

/// A new seed, from the system's randomness by way of libp2p.
fn fresh_seed() -> Seed {
    let keypair = libp2p::identity::ed25519::Keypair::generate();
    let mut seed = Seed::default();
    seed.copy_from_slice(keypair.secret().as_ref());
    seed
}

/// What makes a new document differ from every other.
pub fn unique() -> [u8; 12] {
    let mut unique = [0; 12];
    unique.copy_from_slice(&fresh_seed()[..12]);
    unique
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
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &File) -> io::Result<bool> {
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
        assert_eq!(fs::read_dir(&keys).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn a_new_key_never_takes_the_place_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let first = new(&path).unwrap();
        assert!(matches!(new(&path), Err(KeyError::Taken(_))));
        assert_eq!(read(&path).unwrap(), first);
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
        for text in ["short".to_owned(), "long".repeat(9)] {
            let path = dir.path().join("peer");
            let _ = fs::remove_file(&path);
            let mut file = private_file().open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert!(matches!(
                seed(dir.path(), "peer"),
                Err(KeyError::NotAKey(_))
            ));
            assert_eq!(fs::read(path).unwrap(), text.as_bytes());
        }
    }
}
