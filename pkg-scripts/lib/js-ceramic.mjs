// The real js-ceramic and the libraries around it, a third of a gigabyte of npm packages with a lockfile of their own: judges and
// peers in tests/interop, and as one file for a page, target/bench/js-ceramic.js, what `npm run bench` measures beside.
import path from 'node:path'
import { note, root, run, step } from './run.mjs'
import { unlessFresh } from './stamp.mjs'

const packages = ['package.json', 'package-lock.json', 'no-fs'].map((file) => `tests/interop/${file}`)

// No scripts: nothing of it has to be compiled.
const install = (folder) => run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: path.join(root, folder) })

export async function installJsCeramic() {
  await unlessFresh('interop', { inputs: packages, outputs: ['tests/interop/node_modules'] }, async () => {
    note('installing js-ceramic (a minute or two)')
    await install('tests/interop')
  })
}

/** Peers of other make, in folders of their own: js-ceramic's IPFS node, beside js-ceramic itself, and Helia. */
export async function installPeers() {
  await installJsCeramic()
  const folders = ['js-ipfs', 'helia'].map((name) => `tests/interop/${name}`)
  const inputs = [...folders.flatMap((folder) => [`${folder}/package.json`, `${folder}/package-lock.json`]), 'tests/interop/no-fs']
  const outputs = folders.map((folder) => `${folder}/node_modules`)
  await unlessFresh('peers', { inputs, outputs }, async () => {
    note('installing js-ipfs and Helia (a minute)')
    for (const folder of folders) await install(folder)
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
