import path from 'node:path'
import { fileURLToPath } from 'node:url'

const here = (...parts) => path.join(path.dirname(fileURLToPath(import.meta.url)), ...parts)

const common = {
  mode: 'production',
  context: here(),
  devtool: false,
  performance: { hints: false },
}

/** The worker of the package: one file that loads nothing but the wasm modules, whose addresses the page tells it. */
export const library = {
  ...common,
  name: 'library',
  target: 'webworker',
  entry: here('target/js/worker.js'),
  experiments: { outputModule: true },
  module: { parser: { javascript: { url: false, dynamicImportMode: 'eager' } } },
  resolve: { alias: { 'ostrakon-core': here('target/glue/ostrakon.js'), 'ostrakon-reader': here('target/glue/ostrakon_reader.js') } },
  output: { path: here('dist'), filename: 'worker.js', module: true, chunkFormat: 'module' },
}

/** The demo, built on the package by its public name as any dapp would. */
export const demo = {
  ...common,
  name: 'demo',
  target: 'web',
  entry: { main: here('target/www/main.js'), sw: here('target/www/sw.js') },
  output: { path: here('www/dist'), clean: true, filename: '[name].js', chunkFilename: '[name].[contenthash:8].js', assetModuleFilename: '[name].[contenthash:8][ext]' },
}

export default [library, demo]
