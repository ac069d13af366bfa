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
    // An ed25519 key pair always has an encoding; without one this identity lasts as long as the tab.
    if let Ok(secret) = keypair.to_protobuf_encoding() {
        store.keep_secret(NAME, &secret).await?;
    }
    Ok(keypair)
}
