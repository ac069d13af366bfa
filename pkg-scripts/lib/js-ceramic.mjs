// The real js-ceramic as one file for a page, target/bench/js-ceramic.js: what `npm run bench` measures beside. Its packages
// (a third of a gigabyte) have a lockfile of their own and are installed only for this.
import path from 'node:path'
import { note, root, run, step } from './run.mjs'
import { unlessFresh } from './stamp.mjs'

const folder = path.join(root, 'tests/bench/js-ceramic')

export async function buildJsCeramic() {
  step('Bundling js-ceramic for benchmarks')
  const inputs = ['package.json', 'package-lock.json', 'page.js', 'globals.js', 'build.mjs'].map((file) => `tests/bench/js-ceramic/${file}`)
  const outputs = ['target/bench/js-ceramic.js']
  const worked = await unlessFresh('js-ceramic', { inputs, outputs }, async () => {
    note('installing its packages (a minute or two)')
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder })
    await run(process.execPath, ['build.mjs', path.join(root, outputs[0])], { cwd: folder })
  })
  if (!worked) note('unchanged')
}
