// OrbitDB, npm packages with a lockfile of their own, as one file for a page: target/bench/orbitdb.js, what `npm run bench`
// measures writing beside.
import path from 'node:path'
import { installJsCeramic } from './js-ceramic.mjs'
import { note, root, run, step } from './run.mjs'
import { unlessFresh } from './stamp.mjs'

const folder = 'tests/bench/orbitdb'
const packages = ['package.json', 'package-lock.json'].map((file) => `${folder}/${file}`)

export async function buildOrbitDb() {
  step('Bundling OrbitDB for benchmarks')
  const outputs = ['target/bench/orbitdb.js']
  const worked = await unlessFresh('orbitdb', { inputs: [...packages, folder], outputs }, async () => {
    await installJsCeramic() // which brings the bundler
    await unlessFresh('orbitdb-packages', { inputs: packages, outputs: [`${folder}/node_modules`] }, async () => {
      note('installing OrbitDB (a minute)')
      const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
      await run('npm', args, { cwd: path.join(root, folder) })
    })
    await run(process.execPath, [path.join(root, folder, 'build.mjs'), path.join(root, outputs[0])])
  })
  if (!worked) note('unchanged')
}
