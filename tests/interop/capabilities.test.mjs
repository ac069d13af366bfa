// Sessions: a wallet's capability (CACAO) for a key, asked for here and judged by the real packages, and the other way round;
// and the documents written under it.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Cacao, CacaoBlock } from '@didtools/cacao'
import { WebauthnAuth } from '@didtools/key-webauthn'
import { EthereumNodeAuth, getEIP191Verifier } from '@didtools/pkh-ethereum'
import { SolanaNodeAuth, getSolanaVerifier } from '@didtools/pkh-solana'
import { Model } from '@ceramicnetwork/stream-model'
import { TileDocument } from '@ceramicnetwork/stream-tile'
import * as dagCbor from '@ipld/dag-cbor'
import { AccountId } from 'caip'
import { Ceramic } from './support/ceramic.mjs'
import { somebody } from './support/dids.mjs'
import { Ostrakon, base64, bytes, fresh, now } from './support/ostrakon.mjs'
import { ethereum, passkey, solana } from './support/wallets.mjs'

const ostrakon = new Ostrakon()
after(() => ostrakon.close())

const verifiers = { ...getEIP191Verifier(), ...getSolanaVerifier(), ...WebauthnAuth.getVerifier() }
const day = 24 * 60 * 60 * 1000
const at = ({ id, tip, car }) => ({ id, tip, car, now: now() })

/** A capability of a wallet for a new key, asked for by Ostrakon. */
async function asked(wallet, resources, { lasts = day, age = 0 } = {}) {
  const session = await somebody()
  const issuedAt = Date.now() - age
  const request = { account: wallet.account, domain: 'example.org', uri: session.did.id, statement: 'Write for me', resources, nonce: 'abcdefgh12345678', issuedAt, expiresAt: issuedAt + lasts }
  const message = await ostrakon.ask('ask', request)
  const signed = wallet.sign(message)
  const signature = typeof signed === 'string' ? signed : base64(signed)
  const { block, cid, issuer } = await ostrakon.ask('delegate', { ...request, signature })
  return { ...session, capability: block, cid, controller: issuer, message }
}

for (const [name, wallet] of [['Ethereum', ethereum], ['Solana', solana]]) {
  test(`${name}: js verifies a capability that Ostrakon asked for, and loads what was written under it`, async () => {
    const session = await asked(wallet(), ['ceramic://*'])
    const cacao = dagCbor.decode(bytes(session.capability))
    await Cacao.verify(cacao, { verifiers })
    assert.equal((await CacaoBlock.fromCacao(cacao)).cid.toString(), session.cid)
    assert.equal(cacao.p.aud, session.did.id)
    let made = await ostrakon.ask('create', { ...session, did: undefined, type: 'tile', unique: base64(fresh(12)), content: { by: name } })
    const ceramic = new Ceramic()
    let document = await ceramic.take(made.id, made.car)
    assert.deepEqual([document.content, document.controllers], [{ by: name }, [session.controller]])
    made = await ostrakon.ask('update', { ...at(made), seed: session.seed, capability: session.capability, json: JSON.stringify({ by: name, n: 2 }) })
    document = await ceramic.take(made.id, made.car)
    assert.deepEqual(document.content, { by: name, n: 2 })
    assert.deepEqual((await ostrakon.ask('load', at(made))).next.content, { by: name, n: 2 })
  })

  test(`${name}: js signs with the capability as Ostrakon does, to the same bytes`, async () => {
    const session = await asked(wallet(), ['ceramic://*'])
    const did = session.did.withCapability(dagCbor.decode(bytes(session.capability)))
    await did.authenticate()
    const ceramic = new Ceramic(did)
    const document = await TileDocument.create(ceramic, { a: 1 }, { controllers: [session.controller] })
    const { commits } = await ceramic.syncer.syncFullLog(document.id, document.tip)
    const unique = base64(Buffer.from(commits[0].commit.header.unique, 'base64'))
    const ours = await ostrakon.ask('create', { ...session, did: undefined, type: 'tile', unique, content: { a: 1 } })
    assert.equal(ours.id, document.id.toString())
  })

  test(`${name}: Ostrakon takes a capability that js asked for, and asks for the very same one`, async () => {
    const eth = wallet === ethereum
    const mine = wallet()
    const account = new AccountId(mine.account)
    const auth = eth ? await EthereumNodeAuth.getAuthMethod(mine, account, 'example.org') : await SolanaNodeAuth.getAuthMethod(mine, account, 'example.org')
    const session = await somebody()
    const cacao = await auth({ uri: session.did.id, resources: ['ceramic://*'], statement: 'Write for me', nonce: 'abcdefgh1234' })
    const did = session.did.withCapability(cacao)
    await did.authenticate()
    const ceramic = new Ceramic(did)
    const document = await TileDocument.create(ceramic, { a: 1 }, { controllers: [did.parent] })
    await document.update({ a: 2 })
    const state = await ostrakon.ask('load', { id: document.id.toString(), tip: document.tip.toString(), car: ceramic.archive(document), now: now() })
    assert.deepEqual(state.next.content, { a: 2 })
    const { aud: uri, domain, statement, nonce, iat, exp, resources } = cacao.p
    const request = { account: mine.account, domain, uri, statement, resources, nonce, issuedAt: Date.parse(iat), expiresAt: Date.parse(exp) }
    const signed = mine.sign(await ostrakon.ask('ask', request))
    const made = await ostrakon.ask('delegate', { ...request, signature: eth ? signed : base64(signed) })
    assert.equal(made.cid, (await CacaoBlock.fromCacao(cacao)).cid.toString())
  })
}

test('Passkey: what it signs for Ostrakon js verifies and loads, and what it signs for js Ostrakon does, to the same capability', async () => {
  const mine = passkey('example.org')
  const session = await somebody()
  const navigator = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  Object.defineProperty(globalThis, 'navigator', { value: { credentials: mine.credentials }, configurable: true })
  globalThis.location = { hostname: 'example.org' }
  const auth = await WebauthnAuth.getAuthMethod({ did: mine.did })
  const cacao = await auth({ uri: session.did.id, resources: ['ceramic://*'], nonce: 'abcdefgh12345678' }).finally(() => {
    if (navigator) Object.defineProperty(globalThis, 'navigator', navigator)
    else delete globalThis.navigator
    delete globalThis.location
  })
  await Cacao.verify(cacao, { verifiers })
  const { aud: uri, domain, nonce, iat, nbf, exp, resources } = cacao.p
  const request = { account: mine.did, domain, uri, resources, nonce, issuedAt: Date.parse(iat), notBefore: Date.parse(nbf), expiresAt: Date.parse(exp) }
  const answer = mine.sign(bytes(await ostrakon.ask('ask', request)))
  const made = await ostrakon.ask('delegate', { ...request, ...Object.fromEntries(Object.entries(answer).map(([name, part]) => [name, base64(part)])) })
  assert.deepEqual(bytes(made.block), new Uint8Array(dagCbor.encode(cacao)))
  assert.equal(made.issuer, mine.did)
  const written = await ostrakon.ask('create', { seed: session.seed, capability: made.block, controller: mine.did, type: 'tile', unique: base64(fresh(12)), content: { a: 1 } })
  assert.deepEqual((await new Ceramic().take(written.id, written.car)).content, { a: 1 })
  const did = session.did.withCapability(cacao)
  await did.authenticate()
  const ceramic = new Ceramic(did)
  const document = await TileDocument.create(ceramic, { b: 2 }, { controllers: [mine.did] })
  const state = await ostrakon.ask('load', { id: document.id.toString(), tip: document.tip.toString(), car: ceramic.archive(document), now: now() })
  assert.deepEqual(state.content, { b: 2 })
})

test('a capability for one model writes its instances and nothing else, for both', async () => {
  const author = await somebody()
  const ceramic = new Ceramic(author.did)
  const definition = (name) => ({ name, version: '2.0', interface: false, implements: [], views: {}, relations: {}, description: '', accountRelation: { type: 'list' }, schema: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', additionalProperties: false, properties: { text: { type: 'string', maxLength: 9 } } } })
  const [mine, other] = [await Model.create(ceramic, definition('Mine')), await Model.create(ceramic, definition('Other'))]
  const session = await asked(ethereum(), [`ceramic://*?model=${mine.id}`])
  const write = (model) => ostrakon.ask('create', { ...session, did: undefined, type: 'instance', model: model.id.toString(), unique: base64(fresh(12)), content: { text: 'hi' } })
  const good = await write(mine)
  assert.deepEqual((await ceramic.take(good.id, good.car)).content, { text: 'hi' })
  const bad = await write(other)
  await assert.rejects(ceramic.take(bad.id, bad.car), /does not have appropriate permissions/)
  const tile = await ostrakon.ask('create', { ...session, did: undefined, type: 'tile', unique: base64(fresh(12)), content: { a: 1 } })
  await assert.rejects(ceramic.take(tile.id, tile.car), /does not have appropriate permissions/)
  await assert.rejects(ostrakon.ask('load', at(tile)), { code: 'cacao-resources' })
})

test('a capability that ended, or whose text was changed, or for another key, serves nobody', async () => {
  const wallet = ethereum()
  const old = await asked(wallet, ['ceramic://*'], { age: 3 * day, lasts: 3 * day + 2_000 })
  const made = await ostrakon.ask('create', { ...old, did: undefined, type: 'tile', unique: base64(fresh(12)), content: { a: 1 } })
  await new Ceramic().take(made.id, made.car)
  await assert.rejects(ostrakon.ask('load', { ...at(made), now: now() + 3 * 24 * 60 * 60 }), { code: 'cacao-expired' })
  const good = await asked(wallet, ['ceramic://*'])
  const cacao = dagCbor.decode(bytes(good.capability))
  const forged = { ...cacao, p: { ...cacao.p, statement: 'Write for everybody' } }
  await assert.rejects(Cacao.verify(forged, { verifiers }))
  const capability = base64(dagCbor.encode(forged))
  const under = { ...good, did: undefined, capability, type: 'tile', unique: base64(fresh(12)), content: { a: 1 } }
  const lie = await ostrakon.ask('create', under)
  await assert.rejects(new Ceramic().take(lie.id, lie.car), /Can not verify signature/)
  await assert.rejects(ostrakon.ask('load', at(lie)), { code: 'cacao-signature' })
  const thief = await somebody()
  const stolen = await ostrakon.ask('create', { ...under, capability: good.capability, seed: thief.seed })
  await assert.rejects(new Ceramic().take(stolen.id, stolen.car), /Can not verify signature/)
  await assert.rejects(ostrakon.ask('load', at(stolen)), { code: 'cacao-wrong-audience' })
})
