// Work that need not be done again: a stamp remembers what its inputs looked like when it last succeeded.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './run.mjs'

function* filesBelow(file) {
  if (!existsSync(file)) return
  if (statSync(file).isFile()) return void (yield file)
  for (const name of readdirSync(file).sort()) {
    if (name !== 'node_modules' && name !== 'target') yield* filesBelow(path.join(file, name))
  }
}

function digest(inputs, extra) {
  const hash = createHash('sha256').update(extra)
  for (const input of inputs) {
    for (const file of filesBelow(path.join(root, input))) hash.update(path.relative(root, file)).update(readFileSync(file))
  }
  return hash.digest('hex')
}

/**
 * Does `work` unless `inputs` (files and folders below the root) and `extra` are what they were when it last
 * succeeded and every one of `outputs` is still there. Returns whether it worked.
 */
export async function unlessFresh(name, { inputs, outputs, extra = '' }, work) {
  const stamp = path.join(root, 'target/stamps', name)
  const now = digest(inputs, extra)
  const fresh =
    existsSync(stamp) && readFileSync(stamp, 'utf8') === now && outputs.every((output) => existsSync(path.join(root, output)))
  if (fresh) return false
  await work()
  mkdirSync(path.dirname(stamp), { recursive: true })
  writeFileSync(stamp, now)
  return true
}
