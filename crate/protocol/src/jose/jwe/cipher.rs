//! XChaCha20-Poly1305 over bytes with their tag at the end.

use chacha20poly1305::{AeadInPlace as _, KeyInit as _, XChaCha20Poly1305};

use super::JweError;

const TAG_BYTES: usize = 16;

/// Encrypts in place; the tag is what is returned.
pub(super) fn seal(
    key: &[u8; 32],
    iv: &[u8; 24],
    aad: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_BYTES], JweError> {
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt_in_place_detached(iv.into(), aad, text);
    // It can only be too long, which the bound on the whole forbids.
    Ok(sealed.map_err(|_| JweError::TooLarge(text.len()))?.into())
}

/// Decrypts in place, if the tag at the end is right, and takes that away.
pub(super) fn open(key: &[u8], iv: &[u8], aad: &[u8], sealed: &mut Vec<u8>) -> Option<()> {
    let (key, iv): (&[u8; 32], &[u8; 24]) = (key.try_into().ok()?, iv.try_into().ok()?);
    let length = sealed.len().checked_sub(TAG_BYTES)?;
    let (text, tag) = sealed.split_at_mut_checked(length)?;
    let tag: &[u8; TAG_BYTES] = (&*tag).try_into().ok()?;
    XChaCha20Poly1305::new(key.into())
        .decrypt_in_place_detached(iv.into(), aad, text, tag.into())
        .ok()?;
    sealed.truncate(length);
    Some(())
}
