// The command line: what `ostrakon create` and `update` write js-ceramic loads, and goes on; what js-ceramic wrote they change.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { Caip10Link } from '@ceramicnetwork/stream-caip10-link'
import { ModelInstanceDocument } from '@ceramicnetwork/stream-model-instance'
import { TileDocument } from '@ceramicnetwork/stream-tile'
import { EthereumAuthProvider } from '@ceramicnetwork/blockchain-utils-linking'
import { Ceramic } from './support/ceramic.mjs'
import { somebody } from './support/dids.mjs'
import { ethereum } from './support/wallets.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const target = process.env.CARGO_TARGET_DIR ?? path.join(root, 'target')
const binary = [process.env.OSTRAKON_BIN, path.join(target, 'debug/ostrakon'), path.join(target, 'release/ostrakon')].find((file) => file && existsSync(file))
const folder = mkdtempSync(path.join(tmpdir(), 'ostrakon-interop-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const inside = (name) => path.join(folder, name)
const run = (...args) => JSON.parse(execFileSync(binary, [...args, '--json'], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))
const file = (name, value) => {
  writeFileSync(inside(name), JSON.stringify(value))
  return name
}
/** What js-ceramic makes of a file whose newest event is known. */
const taken = (ceramic, { stream, tip }, name) => ceramic.take(stream, readFileSync(inside(name)).toString('base64'), tip)
const keep = (name, ceramic, document) => writeFileSync(inside(name), Buffer.from(ceramic.archive(document), 'base64'))

const { did: id } = run('key', 'new', '--key', 'key')
const key = ['--key', 'key']

test('a key of the command line is a key of dids', async () => {
  const { did } = await somebody(new Uint8Array(readFileSync(inside('key'))))
  assert.equal(did.id, id)
  assert.equal(run('key', 'show', ...key).did, id)
})

test('a tile goes from the command line to js-ceramic and back', async () => {
  const { did } = await somebody(new Uint8Array(readFileSync(inside('key'))))
  const made = run('create', ...key, '--tag', 'x', '--family', 'f', '--out', 'tile.car', file('one.json', { z: [1, { q: 'ü' }], a: null }))
  const ceramic = new Ceramic(did)
  let document = await taken(ceramic, made, 'tile.car')
  assert.deepEqual([document.content, document.metadata.tags, document.controllers], [{ z: [1, { q: 'ü' }], a: null }, ['x'], [id]])
  const changed = run('update', ...key, 'tile.car', file('two.json', { z: [2], b: { c: 1 } }))
  document = await taken(ceramic, changed, 'tile.car')
  assert.deepEqual(document.content, { z: [2], b: { c: 1 } })
  await document.update({ from: 'js-ceramic' })
  keep('tile.car', ceramic, document)
  const last = run('update', ...key, 'tile.car', '--patch', file('patch.json', [{ op: 'add', path: '/and', value: 'the command line' }]))
  document = await taken(new Ceramic(), last, 'tile.car')
  assert.deepEqual(document.content, { from: 'js-ceramic', and: 'the command line' })
  assert.equal(document.state.log.length, 4)
})

test('a tile of js-ceramic is changed on the command line', async () => {
  const { did } = await somebody(new Uint8Array(readFileSync(inside('key'))))
  const ceramic = new Ceramic(did)
  const document = await TileDocument.create(ceramic, { n: 1 })
  keep('theirs.car', ceramic, document)
  const changed = run('update', ...key, 'theirs.car', file('n.json', { n: 2 }))
  assert.equal(changed.stream, document.id.toString())
  await document.update({ n: 2 })
  assert.equal(changed.tip, document.tip.toString())
})

test('a model, its instance and the link of an account, written on the command line, are what js-ceramic takes', async () => {
  const { did } = await somebody(new Uint8Array(readFileSync(inside('key'))))
  const ceramic = new Ceramic(did)
  const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', additionalProperties: false, properties: { text: { type: 'string', maxLength: 20 } } }
  const definition = { name: 'Note', version: '2.0', interface: false, implements: [], views: {}, relations: {}, description: '', accountRelation: { type: 'list' }, schema }
  const model = run('create', ...key, '--type', 'model', '--out', 'model.car', file('model.json', definition))
  assert.equal((await taken(ceramic, model, 'model.car')).content.name, 'Note')
  const made = run('create', ...key, '--type', 'model-instance', '--model', model.stream, '--with', 'model.car', '--out', 'note.car', file('note.json', { text: 'hello' }))
  assert.deepEqual((await taken(ceramic, made, 'note.car')).content, { text: 'hello' })
  const changed = run('update', ...key, 'note.car', file('note.json', { text: 'changed' }))
  const document = await taken(ceramic, changed, 'note.car')
  assert.ok(document instanceof ModelInstanceDocument)
  assert.deepEqual(document.content, { text: 'changed' })
  assert.throws(() => run('update', ...key, 'note.car', file('bad.json', { text: 5 })), { status: 1 })

  const wallet = ethereum()
  const provider = new EthereumAuthProvider(wallet, wallet.address)
  const link = run('create', ...key, '--type', 'caip10-link', '--account', wallet.account, '--out', 'link.car')
  assert.equal(link.stream, (await Caip10Link.fromAccount(ceramic, await provider.accountId())).id.toString())
  const linked = run('update', ...key, 'link.car', file('proof.json', await provider.createLink(id)))
  assert.equal((await taken(ceramic, linked, 'link.car')).content, id)
})
