//! Who this tab is on the network: an ed25519 key pair from the platform's randomness, kept in IndexedDB. It signs
//! connections and gossip, never a document, so losing it costs nothing but a new name.

use libp2p::identity::Keypair;
use ostrakon_node::store::StoreError;

use crate::store::IndexedDb;

const NAME: &str = "network";

/// The identity kept in this database; a new one, kept from now on, if there is none that can be read.
pub async fn identity(store: &IndexedDb) -> Result<Keypair, StoreError> {
    if let Some(kept) = store
        .secret(NAME)
        .await?
        .and_then(|kept| Keypair::from_protobuf_encoding(&kept).ok())
    {
        return Ok(kept);
    }
    let keypair = Keypair::generate_ed25519();
    let Ok(secret) = keypair.to_protobuf_encoding() else {
        return Ok(keypair);
    };
    match store.keep_secret(NAME, &secret).await {
        // What can't be kept lasts as long as the tab: a full disk must not keep anyone from what is on it.
        Ok(()) | Err(StoreError::Full(_)) => Ok(keypair),
        Err(error) => Err(error),
    }
}
