import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enterable } from './postgres.ts'

/**
 * Reads one order a line until the demo is gone: `kill PID`, `quit PID` (a PostgreSQL server,
 * which then takes its own processes along), `gone PID`. At the end of its input it ends what is
 * left and removes the folder. It ignores the signals that Ctrl-C sends to a whole group.
 */
const script = `
trap '' INT TERM HUP
kills= quits=
without() { out=; for p in $1; do [ "$p" = "$2" ] || out="$out $p"; done; echo "$out"; }
while read -r order pid; do
  case $order in
    kill) kills="$kills $pid" ;;
    quit) quits="$quits $pid" ;;
    gone) kills=$(without "$kills" "$pid"); quits=$(without "$quits" "$pid") ;;
  esac
done
for p in $kills; do kill -KILL "$p"; done
for p in $quits; do kill -QUIT "$p"; done
for p in $quits; do
  n=0
  while kill -0 "$p" && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
  kill -KILL "$p"
done
rm -rf "$1"
`

/** A temporary folder, and the certainty that it and what runs in it end with this process. */
export interface Guard extends AsyncDisposable {
  readonly folder: string
  /** Ends with this process, however that ends: a PostgreSQL server, or any other program. */
  watch(kind: 'server' | 'program', pid: number): void
  /** It ended by itself. */
  forget(pid: number): void
}

/** Makes the folder and starts the process that looks after it, even past a SIGKILL of this one. */
export async function openGuard(): Promise<Guard> {
  const folder = await mkdtemp(join(await temporary(), 'holdfast-demo-'))
  await chmod(folder, 0o711)
  const child = spawn('sh', ['-c', script, 'holdfast-demo-guard', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  child.stdin.on('error', () => {})
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const tell = (order: string, pid: number): void => {
    child.stdin.write(`${order} ${pid}\n`)
  }
  return {
    folder,
    watch: (kind, pid) => tell(kind === 'server' ? 'quit' : 'kill', pid),
    forget: (pid) => tell('gone', pid),
    async [Symbol.asyncDispose]() {
      child.ref()
      child.stdin.end()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A temporary folder that the server's user can enter. */
async function temporary(): Promise<string> {
  const own = tmpdir()
  return (await enterable(own)) ? own : '/tmp'
}
