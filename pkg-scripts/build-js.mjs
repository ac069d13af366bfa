// The JavaScript of the package and the demo page: `node pkg-scripts/build-js.mjs`. tsc writes the page's side of the façade
// as it is shipped; webpack makes the worker one file, and bundles the demo on top of the built package.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { isMain, main, note, root, run, step, Stop } from './lib/run.mjs'
import { unlessFresh } from './lib/stamp.mjs'

const inputs = ['crate/browser/js', 'www/src', 'www/tsconfig.json', 'www/index.html', 'www/style.css', 'package.json', 'package-lock.json', 'tsconfig.json', 'webpack.config.js', 'pkg-scripts/build-js.mjs', 'target/glue/ostrakon.js', 'target/glue/ostrakon_reader.js', 'dist/ostrakon_bg.wasm', 'dist/ostrakon_reader_bg.wasm']
const outputs = ['dist/index.js', 'dist/index.d.ts', 'dist/worker.js', 'www/dist/index.html', 'www/dist/main.js', 'www/dist/sw.js']
const tsc = (...args) => run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), ...args], { why: 'tsc' })

export async function buildJs() {
  step('Building the package and the demo')
  const worked = await unlessFresh('js', { inputs, outputs }, async () => {
    if (!existsSync(path.join(root, 'target/glue/ostrakon_reader.js'))) throw new Stop('Build the wasm module first: npm run build:wasm.')
    const { library, demo } = await import('../webpack.config.js')
    rmSync(path.join(root, 'target/js'), { recursive: true, force: true })
    await tsc()
    shipPage()
    await bundle(library)
    await tsc('-p', 'www', '--noEmit', 'false', '--outDir', 'target/www')
    await bundle(demo)
    for (const file of ['index.html', 'style.css']) copyFileSync(path.join(root, 'www', file), path.join(root, 'www/dist', file))
  })
  if (!worked) note('unchanged')
}

/** All but the worker's modules, of which only the bundle is shipped. */
function shipPage() {
  const dist = path.join(root, 'dist')
  mkdirSync(dist, { recursive: true })
  for (const file of readdirSync(dist)) if (!file.endsWith('.wasm')) rmSync(path.join(dist, file), { recursive: true })
  for (const file of readdirSync(path.join(root, 'target/js'))) {
    if (!file.startsWith('worker') || file === 'worker.d.ts') copyFileSync(path.join(root, 'target/js', file), path.join(dist, file))
  }
}

async function bundle(config) {
  const { default: webpack } = await import('webpack')
  const stats = await new Promise((resolve, reject) => {
    const compiler = webpack(config)
    compiler.run((error, result) => compiler.close(() => (error ? reject(error) : resolve(result))))
  })
  if (stats.hasErrors() || stats.hasWarnings()) throw new Stop(`webpack: ${stats.toString({ all: false, errors: true, warnings: true })}`)
  note(stats.toString({ all: false, assets: true, assetsSort: 'name' }).replaceAll('\n', '\n  '))
}

if (isMain(import.meta)) await main(buildJs)
