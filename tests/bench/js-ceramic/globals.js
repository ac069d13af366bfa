// What js-ceramic expects of Node wherever it runs.
import { Buffer } from 'buffer/index.js'

globalThis.global ??= globalThis
globalThis.Buffer ??= Buffer
globalThis.process ??= { env: {}, argv: [], browser: true, version: 'v20.0.0', versions: {}, nextTick: (call, ...rest) => queueMicrotask(() => call(...rest)), on() {}, cwd: () => '/' }
