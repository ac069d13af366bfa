// The real js-ceramic and the libraries around it, a third of a gigabyte of npm packages with a lockfile of their own: judges
// in tests/interop, and as one file for a page, target/bench/js-ceramic.js, what `npm run bench` measures beside.
import path from 'node:path'
import { note, root, run, step } from './run.mjs'
import { unlessFresh } from './stamp.mjs'

const packages = ['package.json', 'package-lock.json', 'no-fs'].map((file) => `tests/interop/${file}`)

export async function installJsCeramic() {
  await unlessFresh('interop', { inputs: packages, outputs: ['tests/interop/node_modules'] }, async () => {
    note('installing js-ceramic (a minute or two)')
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    await run('npm', args, { cwd: path.join(root, 'tests/interop') })
  })
}

export async function buildJsCeramic() {
  step('Bundling js-ceramic for benchmarks')
  const inputs = [...packages, 'tests/bench/js-ceramic']
  const outputs = ['target/bench/js-ceramic.js']
  const worked = await unlessFresh('js-ceramic', { inputs, outputs }, async () => {
    await installJsCeramic()
    const script = path.join(root, 'tests/bench/js-ceramic/build.mjs')
    await run(process.execPath, [script, path.join(root, outputs[0])])
  })
  if (!worked) note('unchanged')
}
