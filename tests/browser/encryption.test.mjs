// Encryption in the page: for DIDs, and for those whom a document names as its readers.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setUp } from '../support/page.mjs'
import { giveWallets, startChain } from '../support/wallet.mjs'

const here = setUp({})
let chain
before(async () => (chain = await startChain()))
after(() => chain?.stop())

/** A page with a node and `people`, sessions of three accounts' own keys. */
const withPeople = (body) =>
  here.withPage(async (page) => {
    await giveWallets(page, chain)
    await page.evaluate(async (accounts) => {
      globalThis.node = await ostrakon.createNode({ peers: [] })
      globalThis.people = []
      for (const account of accounts) people.push(await node.connectWallet(makeWallet(), { kind: 'key', account }))
    }, chain.accounts.slice(0, 3))
    await body(page)
  })

test('what is encrypted to DIDs comes back to their sessions as it was, JSON or bytes, and to no others', () =>
  withPeople(async (page) => {
    const seen = await page.evaluate(async () => {
      const [one, two, three] = people
      const to = [one.did, two.did]
      const values = [{ a: [1, 'ü', null, { b: 0.5 }] }, 'text', 7, [], false]
      const back = []
      for (const value of values) {
        const secret = await node.encrypt(value, { to })
        for (const session of [one, two]) back.push(await node.decrypt(secret, { session }))
      }
      const secret = await node.encrypt(Uint8Array.of(1, 113, 0, 1, 0xf6), { to })
      const bytes = await node.decrypt(secret, { session: two })
      const changed = { ...secret, ciphertext: secret.ciphertext.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A')) }
      const codes = [
        node.decrypt(secret, { session: three }),
        node.decrypt(changed, { session: one }),
        node.decrypt({ ...secret, recipients: [] }, { session: one }),
        node.decrypt({ hello: 1 }, { session: one }),
        node.encrypt(new Uint8Array(), { to }),
        node.encrypt(1, { to: ['did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a'] }),
        node.encrypt(1, { to: ['did:web:example.org'] }),
        node.encrypt(new Uint8Array((4 << 20) + 1), { to }),
      ].map(async (call) => (await failure(call)).code)
      return { back, values, bytes: [...bytes], plain: bytes instanceof Uint8Array, text: JSON.stringify(secret), codes: await Promise.all(codes) }
    })
    assert.deepEqual(seen.back, seen.values.flatMap((value) => [value, value]))
    assert.deepEqual([seen.bytes, seen.plain], [[1, 113, 0, 1, 0xf6], true])
    assert.deepEqual(seen.codes, ['jwe-not-for-this-key', 'jwe-not-for-this-key', 'jwe-no-recipients', 'jwe-format', 'jwe-empty', 'jwe-no-key', 'did-method', 'jwe-too-large'])
  }))

test('a document names who reads; who is left out reads the old and not the new; no seed is in sight', () =>
  withPeople(async (page) => {
    const seen = await page.evaluate(async () => {
      const [owner, friend, guest] = people
      const first = await node.rotateReaders(undefined, { to: people.map(({ did }) => did) })
      const old = await node.encrypt({ n: 1 }, { to: [first.readers[0].did] })
      const readers = await node.rotateReaders(first, { to: [owner.did, friend.did] })
      const secret = await node.encrypt({ n: 2 }, { to: [readers.readers.at(-1).did] })
      const reads = (secret, session, list = readers) => node.decrypt(secret, { session, readers: list }).catch(({ code }) => code)
      const table = []
      for (const session of people) table.push([await reads(old, session), await reads(secret, session)])
      const swapped = { readers: [{ ...readers.readers[1], seed: readers.readers[0].seed }] }
      return {
        table,
        kept: JSON.stringify(readers.readers[0]) === JSON.stringify(first.readers[0]),
        length: readers.readers.length,
        alone: await node.decrypt(secret, { session: friend }).catch(({ code }) => code),
        before: await reads(secret, friend, first),
        swapped: await reads(secret, guest, swapped),
        codes: await Promise.all([reads(secret, friend, {}), reads(secret, friend, { readers: [{}] }), node.rotateReaders({ readers: 5 }, { to: [owner.did] }).catch(({ code }) => code), node.rotateReaders(undefined, { to: [] }).catch(({ code }) => code)]),
      }
    })
    assert.deepEqual(seen.table, [[{ n: 1 }, { n: 2 }], [{ n: 1 }, { n: 2 }], [{ n: 1 }, 'jwe-not-for-this-key']])
    assert.deepEqual([seen.kept, seen.length], [true, 2])
    assert.deepEqual([seen.alone, seen.before, seen.swapped], Array(3).fill('jwe-not-for-this-key'))
    assert.deepEqual(seen.codes, ['jwe-readers', 'jwe-readers', 'jwe-readers', 'invalid-argument'])
  }))
