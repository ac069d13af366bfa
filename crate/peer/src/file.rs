//! Files the user names, read whole and within a bound.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Largest file that is read, in bytes; a device that never ends is no file.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// The bytes of a file. `Err` is one sentence for the user.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("Cannot read {}: {error}.", path.display()))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!(
            "{} is larger than {MAX_FILE_BYTES} bytes.",
            path.display()
        ));
    }
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    #[test]
    fn a_device_that_never_ends_is_refused() {
        let refused = super::read("/dev/zero".as_ref()).unwrap_err();
        assert!(refused.contains("larger"), "{refused}");
    }
}
