// System packages: installed where we may (Debian, as root), named where we may not.
import { existsSync } from 'node:fs'
import { note, output, run, Stop } from './run.mjs'

let updated = false

export async function aptInstall(packages, what) {
  const names = packages.join(' ')
  if (!existsSync('/etc/debian_version') || process.getuid?.() !== 0 || !output('apt-get', ['--version'])) {
    throw new Stop(`${what} is missing. On Debian: "sudo apt-get install ${names}".`)
  }
  note(`installing ${names}`)
  const quiet = { env: { DEBIAN_FRONTEND: 'noninteractive' }, why: `installing ${names}` }
  if (!updated) await run('apt-get', ['update', '-qq'], quiet)
  updated = true
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet)
}
