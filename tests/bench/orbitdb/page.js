// OrbitDB as its documentation sets it up, its blocks and its database on disk in IndexedDB, without any peers.
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { createOrbitDB } from '@orbitdb/core'
import { LevelBlockstore } from 'blockstore-level'
import { LevelDatastore } from 'datastore-level'
import { createHelia } from 'helia'
import { createLibp2p } from 'libp2p'

/** Opens a store of documents under a name that is not taken. */
export async function open(name) {
  const blockstore = new LevelBlockstore(`${name}/blocks`)
  const datastore = new LevelDatastore(`${name}/data`)
  await Promise.all([blockstore.open(), datastore.open()])
  const libp2p = await createLibp2p({ services: { identify: identify(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) } })
  const ipfs = await createHelia({ libp2p, blockstore, datastore })
  const orbitdb = await createOrbitDB({ ipfs, id: 'bench', directory: `${name}/orbitdb` })
  const documents = await orbitdb.open('documents', { type: 'documents' })
  return { documents, close: () => orbitdb.stop().then(() => ipfs.stop()) }
}

/** Milliseconds that so many changes of one document take, each answered before the next. */
export async function put({ documents }, count) {
  const began = performance.now()
  for (let n = 0; n < count; n += 1) await documents.put({ _id: 'one', text: `what number ${n} says` })
  const took = performance.now() - began
  const { value } = await documents.get('one')
  if (value.text !== `what number ${count - 1} says`) throw new Error('the last change is not there')
  return took
}
