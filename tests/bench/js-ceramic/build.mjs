// Bundles page.js for the browser: `node build.mjs FILE`. js-ceramic is written for Node; of Node's modules the few that its
// loading of documents needs are replaced by the usual packages, and the rest by something that does nothing. All packages
// are those of tests/interop.
import { builtinModules, createRequire } from 'node:module'
import path from 'node:path'

const packages = path.resolve(import.meta.dirname, '../../interop')
const require = createRequire(path.join(packages, 'package.json'))
const { build } = require('esbuild')
const real = { buffer: 'buffer/index.js', events: 'events/events.js', util: 'util/util.js', path: 'path-browserify' }
const nothing = `
const it = new Proxy(function () {}, {
  get: (_, key) => (key === '__esModule' ? false : key === 'prototype' ? {} : key === Symbol.toPrimitive ? () => '' : it),
  apply: () => it,
  construct: () => it,
})
module.exports = it`
const names = builtinModules.map((name) => name.replaceAll('/', '\\/')).join('|')
const node = {
  name: 'node',
  setup(build) {
    build.onResolve({ filter: new RegExp(`^(node:)?(${names})/?$`) }, ({ path }) => {
      const name = path.replace('node:', '').replace(/\/$/, '')
      return real[name] ? { path: require.resolve(real[name]) } : { path: name, namespace: 'nothing' }
    })
    build.onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: nothing, loader: 'js' }))
  },
}

await build({
  entryPoints: [path.join(import.meta.dirname, 'page.js')],
  outfile: path.resolve(process.argv[2]),
  bundle: true,
  nodePaths: [path.join(packages, 'node_modules')],
  minify: true,
  format: 'esm',
  platform: 'browser',
  mainFields: ['browser', 'module', 'main'],
  conditions: ['browser', 'import'],
  define: { global: 'globalThis' },
  loader: { '.wasm': 'dataurl', '.node': 'empty' },
  plugins: [node],
  logLevel: 'error',
})
