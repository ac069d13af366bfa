// Bundles page.js for the browser: `node build.mjs FILE`, with the esbuild of tests/interop.
import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(path.resolve(import.meta.dirname, '../../interop/package.json'))
const { build } = require('esbuild')

await build({
  entryPoints: [path.join(import.meta.dirname, 'page.js')],
  outfile: path.resolve(process.argv[2]),
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  define: { global: 'globalThis' },
  logLevel: 'error',
})
