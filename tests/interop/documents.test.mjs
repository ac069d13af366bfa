// Documents of every type: what Ostrakon writes, js-ceramic loads, and the other way round; from the same input and key both
// write the same bytes. Keys are made just now.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { EthereumAuthProvider, SolanaAuthProvider } from '@ceramicnetwork/blockchain-utils-linking'
import { Caip10Link } from '@ceramicnetwork/stream-caip10-link'
import { Model } from '@ceramicnetwork/stream-model'
import { ModelInstanceDocument } from '@ceramicnetwork/stream-model-instance'
import { TileDocument } from '@ceramicnetwork/stream-tile'
import { Ceramic } from './support/ceramic.mjs'
import { somebody } from './support/dids.mjs'
import { Ostrakon, base64, fresh, now } from './support/ostrakon.mjs'
import { ethereum, solana } from './support/wallets.mjs'

const ostrakon = new Ostrakon()
after(() => ostrakon.close())

const copy = (value) => JSON.parse(JSON.stringify(value))
const contents = [
  { title: 'One', list: [1, 2, 3], deep: { a: { b: 'c' } }, 'sl/ash~': true, none: null, é: 'ünïcode 😀', 10: 'ten', 9: 'nine' },
  { title: 'Two', zz: 1, list: [1, 3], b: {}, deep: { a: { d: [{}], b: 'c' }, 0: 0 }, é: 'ü', n: -0.5, big: 9007199254740991 },
  { y: 1e300, list: [{ x: 1, a: 2 }, [[]], 'y'], a: [], zz: { last: 1, first: 2 } },
  {},
]
const plain = (definition) => ({ version: '2.0', interface: false, implements: [], views: {}, relations: {}, description: '', accountRelation: { type: 'list' }, schema: schema(), ...definition })
const schema = () => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  additionalProperties: false,
  properties: { text: { type: 'string', maxLength: 100 }, number: { type: 'integer' } },
})

/** A newest version of a document, as Ostrakon hands it on, and as it reads one of js. */
const at = ({ id, tip, car }) => ({ id, tip, car, now: now() })
const theirs = (ceramic, document) => at({ id: document.id.toString(), tip: document.tip.toString(), car: ceramic.archive(document) })
/** What Ostrakon loads is what js-ceramic holds. */
async function same(ceramic, document) {
  const state = await ostrakon.ask('load', theirs(ceramic, document))
  const { log, content, next } = document.state
  assert.deepEqual(state.log.map(({ cid }) => cid), log.map(({ cid }) => cid.toString()))
  assert.deepEqual(state.content, copy(content))
  assert.deepEqual(state.next?.content, next?.content && copy(next.content))
}
/** What js-ceramic wrote in an init event to make the document a new one. */
async function unique(ceramic, document) {
  const log = await ceramic.syncer.syncFullLog(document.id, document.id.cid)
  const { unique } = log.commits[0].commit.header
  return typeof unique === 'string' ? unique : base64(unique)
}

test('a tile that Ostrakon writes and changes is what js-ceramic loads at every step', async () => {
  const [one, two] = [await somebody(), await somebody()]
  const ceramic = new Ceramic()
  let now_ = await ostrakon.ask('create', { type: 'tile', seed: one.seed, unique: base64(fresh(12)), content: contents[0], tags: ['a', 'b'], family: 'f' })
  let document = await ceramic.take(now_.id, now_.car)
  assert.deepEqual(document.content, contents[0])
  assert.deepEqual(document.metadata.tags, ['a', 'b'])
  for (const content of contents.slice(1)) {
    now_ = await ostrakon.ask('update', { ...at(now_), seed: one.seed, json: JSON.stringify(content) })
    document = await ceramic.take(now_.id, now_.car)
    assert.deepEqual(document.content, content)
  }
  const patch = [{ op: 'add', path: '/added', value: { x: [1] } }]
  now_ = await ostrakon.ask('update', { ...at(now_), seed: one.seed, patch })
  assert.deepEqual((await ceramic.take(now_.id, now_.car)).content, { added: { x: [1] } })
  now_ = await ostrakon.ask('update', { ...at(now_), seed: one.seed, header: { controllers: [two.did.id], tags: ['c'] } })
  document = await ceramic.take(now_.id, now_.car)
  assert.deepEqual([document.controllers, document.metadata.tags], [[two.did.id], ['c']])
  now_ = await ostrakon.ask('update', { ...at(now_), seed: two.seed, json: JSON.stringify({ last: true }) })
  document = await ceramic.take(now_.id, now_.car)
  assert.deepEqual(document.content, { last: true })
  assert.equal(document.state.log.length, 7)
})

test('a tile of js-ceramic is read and goes on here, with the very bytes js-ceramic would write', async () => {
  const { seed, did } = await somebody()
  const ceramic = new Ceramic(did)
  const document = await TileDocument.create(ceramic, contents[0], { tags: ['a'], family: 'f' })
  await same(ceramic, document)
  let ours = await ostrakon.ask('create', { type: 'tile', seed, unique: base64(fresh(12)), content: contents[0], tags: ['a'], family: 'f' })
  assert.notEqual(ours.id, document.id.toString(), 'each is a document of its own')
  const text = Buffer.from(await unique(ceramic, document), 'base64')
  ours = await ostrakon.ask('create', { type: 'tile', seed, unique: base64(text), content: contents[0], tags: ['a'], family: 'f' })
  assert.equal(ours.id, document.id.toString())
  for (const content of contents.slice(1)) {
    ours = await ostrakon.ask('update', { ...at(ours), seed, json: JSON.stringify(content) })
    await document.update(content)
    assert.equal(ours.tip, document.tip.toString())
    await same(ceramic, document)
  }
  ours = await ostrakon.ask('update', { ...at(ours), seed, json: JSON.stringify({ a: 1 }), header: { tags: ['b'] } })
  await document.update({ a: 1 }, { tags: ['b'] })
  assert.equal(ours.tip, document.tip.toString())
  await same(ceramic, document)
})

test('a deterministic tile is the same document for both', async () => {
  const { seed, did } = await somebody()
  const ceramic = new Ceramic(did)
  const document = await TileDocument.deterministic(ceramic, { family: 'settings', tags: ['x'] })
  let ours = await ostrakon.ask('create', { type: 'tile', seed, unique: base64(fresh(12)), deterministic: true, family: 'settings', tags: ['x'] })
  assert.equal(ours.id, document.id.toString())
  ours = await ostrakon.ask('update', { ...at(ours), seed, json: JSON.stringify({ dark: true }) })
  await document.update({ dark: true })
  assert.equal(ours.tip, document.tip.toString())
  assert.deepEqual((await new Ceramic().take(ours.id, ours.car)).content, { dark: true })
})

test('models and their instances, many, one, or one for each value, are the same for both', async () => {
  const { seed, did } = await somebody()
  const ceramic = new Ceramic(did)
  const definitions = {
    list: plain({ name: 'Post' }),
    single: plain({ name: 'Profile', accountRelation: { type: 'single' } }),
    set: plain({ name: 'Favourite', accountRelation: { type: 'set', fields: ['text', 'number'] }, schema: { ...schema(), required: ['text', 'number'] } }),
  }
  for (const [kind, content] of Object.entries(definitions)) {
    const model = await Model.create(ceramic, content)
    const made = await ostrakon.ask('create', { type: 'model', seed, unique: base64(fresh(12)), content })
    assert.equal(made.id, model.id.toString(), kind)
    await same(ceramic, model)
    const metadata = { model: model.id }
    const [instance, asked] = {
      list: () => [ModelInstanceDocument.create(ceramic, { text: 'first' }, metadata), { content: { text: 'first' } }],
      single: () => [ModelInstanceDocument.single(ceramic, metadata), {}],
      set: () => [ModelInstanceDocument.set(ceramic, metadata, ['a', '7']), { set: ['a', '7'] }],
    }[kind]()
    const document = await instance
    const drawn = kind === 'list' ? await unique(ceramic, document) : base64(fresh(12))
    let ours = await ostrakon.ask('create', { type: 'instance', seed, model: model.id.toString(), unique: drawn, ...asked })
    assert.equal(ours.id, document.id.toString(), kind)
    await same(ceramic, document)
    for (const text of ['a', 'a']) {
      const content = { text, number: 7 }
      // Ostrakon needs the model's blocks as well, and all are in js-ceramic's archive.
      ours = await ostrakon.ask('update', { ...theirs(ceramic, document), seed, json: JSON.stringify(content) })
      await document.replace(content)
      assert.equal(ours.tip, document.tip.toString(), kind)
      await same(ceramic, document)
    }
    const other = new Ceramic()
    await other.take(made.id, made.car)
    assert.deepEqual((await other.take(ours.id, ours.car)).content, { text: 'a', number: 7 })
    const bad = { text: 5 }
    const refused = await ostrakon.ask('update', { ...theirs(ceramic, document), seed, json: JSON.stringify(bad) })
    await assert.rejects(other.take(refused.id, refused.car), /Validation Error/)
    await assert.rejects(ostrakon.ask('load', at(refused)), { code: 'instance-schema' })
  }
})

test('the link of an account, made with the proof of a wallet, is the same for both', async () => {
  const { seed, did } = await somebody()
  const [eth, sol] = [ethereum(), solana()]
  const wallets = [new EthereumAuthProvider(eth, eth.address), new SolanaAuthProvider(sol, sol.address, sol.chain)]
  for (const wallet of wallets) {
    const ceramic = new Ceramic(did)
    const account = await wallet.accountId()
    const document = await Caip10Link.fromAccount(ceramic, account)
    const made = await ostrakon.ask('create', { type: 'link', seed, unique: base64(fresh(12)), account: account.toString() })
    assert.equal(made.id, document.id.toString())
    const proof = await wallet.createLink(did.id)
    await document.setDidProof(proof)
    const ours = await ostrakon.ask('update', { ...at(made), seed, json: JSON.stringify(proof) })
    assert.equal(ours.tip, document.tip.toString())
    await same(ceramic, document)
    assert.equal((await new Ceramic().take(ours.id, ours.car)).content, did.id)
  }
})

test('what a stranger signed neither takes', async () => {
  const [owner, stranger] = [await somebody(), await somebody()]
  const asked = { type: 'tile', unique: base64(fresh(12)), content: { a: 1 }, controller: owner.did.id }
  const stolen = await ostrakon.ask('create', { ...asked, seed: stranger.seed })
  await assert.rejects(new Ceramic().take(stolen.id, stolen.car), /not a valid verificationMethod/)
  await assert.rejects(ostrakon.ask('load', at(stolen)), { code: 'wrong-signer' })
  const own = await ostrakon.ask('create', { ...asked, seed: owner.seed })
  const changed = await ostrakon.ask('update', { ...at(own), seed: stranger.seed, json: JSON.stringify({ a: 2 }) })
  await assert.rejects(new Ceramic().take(changed.id, changed.car), /not a valid verificationMethod/)
  await assert.rejects(ostrakon.ask('load', at(changed)), { code: 'wrong-signer' })
  const held = await ostrakon.ask('load', { ...at(changed), tips: [changed.tip] })
  assert.deepEqual(held.content, { a: 1 })
})
