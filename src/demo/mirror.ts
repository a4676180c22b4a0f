import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { within } from '../async/clock.ts'
import type { Guard } from './guard.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url))

/** Milliseconds that a mirror gets to drain before it is killed. */
const PATIENCE = 5000

/** What the demo's mirror said last of itself. */
export interface MirrorProgress {
  readonly phase: string
  /** Row changes applied by this process. */
  readonly applied: number
  readonly lagSeconds: number | null
  /** Rows that this process copied. */
  readonly copied: number
}

/** `holdfast run` as a process of its own. */
export interface MirrorProcess extends AsyncDisposable {
  readonly pid: number
  /** Resolves when it streams. */
  readonly streaming: Promise<void>
  progress(): MirrorProgress
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

export interface MirrorProcessOptions {
  readonly guard: Guard
  readonly stage: { readonly source: string; readonly target: string }
  /** Further flags of the command. */
  readonly flags?: readonly string[]
  /** Called when it ends without having been asked to. */
  readonly failed: (error: Error) => void
}

export function startMirror(options: MirrorProcessOptions): MirrorProcess {
  const { guard, stage, flags = [] } = options
  const ends = ['--source', stage.source, '--target', stage.target, ...flags]
  const child = spawn(process.execPath, [LAUNCHER, 'run', '--name', 'demo', ...ends, '--json'], {
    // Its socket and its spill go where everything of the demo goes.
    cwd: guard.folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const pid = child.pid ?? 0
  guard.watch('program', pid)
  const said = listen(child)
  let asked = false
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  }).then(() => {
    guard.forget(pid)
    if (!asked) options.failed(new Error(`the mirror process ended: ${said.reason()}`))
  })
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    asked = true
    child.kill(signal)
    await within(PATIENCE, ended, () => child.kill('SIGKILL'))
    await ended
  }
  return {
    pid,
    streaming: said.streaming,
    progress: said.progress,
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  }
}

interface Said {
  readonly streaming: Promise<void>
  progress(): MirrorProgress
  /** Why it ended, in its own words. */
  reason(): string
}

/** Follows the records that `run --json` writes. */
function listen(child: ChildProcess): Said {
  const streaming = Promise.withResolvers<void>()
  const complaints: string[] = []
  let error: Record['error'] = null
  let progress: MirrorProgress = { phase: 'starting', applied: 0, lagSeconds: null, copied: 0 }
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const record = recordOf(line)
      progress = after(progress, record)
      error = record.error ?? error
      if (progress.phase === 'streaming') streaming.resolve()
    })
  }
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      complaints.push(line)
      if (complaints.length > 20) complaints.shift()
    })
  }
  return {
    streaming: streaming.promise,
    progress: () => progress,
    reason: () => (error == null ? complaints.join('\n') : `${error.code} ${error.what}`),
  }
}

/** What the demo reads of a record of `holdfast.event/1`, and of the envelope at the end. */
interface Record {
  readonly event?: string
  readonly phase?: string
  readonly changes?: number
  readonly rows?: number
  readonly lag?: { readonly seconds: number } | null
  readonly error?: { readonly code: string; readonly what: string } | null
}

function recordOf(line: string): Record {
  const record: unknown = JSON.parse(line)
  return typeof record === 'object' && record !== null ? record : {}
}

function after(progress: MirrorProgress, record: Record): MirrorProgress {
  switch (record.event) {
    case 'phase':
      return { ...progress, phase: record.phase ?? progress.phase }
    case 'applied':
      return { ...progress, applied: progress.applied + (record.changes ?? 0) }
    case 'copied-rows':
      return { ...progress, copied: progress.copied + (record.rows ?? 0) }
    case 'progress':
      return { ...progress, lagSeconds: record.lag?.seconds ?? null }
    default:
      return progress
  }
}
