import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { giveToServer, plainEnvironment, temporary } from '../../src/demo/fetch/machine.ts'

export {
  cacheFolder,
  freePort,
  giveToServer,
  plainEnvironment,
  run,
  startDaemon,
} from '../../src/demo/fetch/machine.ts'

/** A new folder of the server's user below the temporary folder. */
export function runFolder(kind: string): string {
  const made = mkdtempSync(join(temporary(), `holdfast-${kind}-`))
  giveToServer(made)
  return made
}

/** The folder, beside a server's data, that a disk of its own may be mounted at. */
export const ownDisk = 'disk'

// Ends when its input does, which is when the process that holds the other end has ended, however
// it ended.
const watch = `
cat >/dev/null
pid=$(head -n 1 "$2" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -"$3" "$pid" 2>/dev/null
  left=100
  while [ -e "$2" ] && kill -0 "$pid" 2>/dev/null && [ $left -gt 0 ]; do
    left=$((left - 1)); sleep 0.05
  done
  [ -e "$2" ] && kill -KILL "$pid" 2>/dev/null
fi
[ -e "$1/${ownDisk}" ] && umount -l "$1/${ownDisk}" 2>/dev/null
rm -rf "$1"
`

/** Ends a server and removes its folder, once. */
export interface Watcher {
  /** Resolves when the server has ended and its folder is gone. */
  release(): Promise<void>
}

/**
 * Watches over a server: when this process ends in any way, the process whose pid is on the first
 * line of `pidFile` is ended and `folder` removed. QUIT lets a postmaster take its children along;
 * a Java process only prints its threads at it, and takes KILL.
 */
export function watchOver(
  folder: string,
  pidFile: string,
  signal: 'QUIT' | 'KILL' = 'QUIT',
): Watcher {
  const child = spawn('/bin/sh', ['-c', watch, 'watcher', folder, pidFile, signal], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: plainEnvironment(),
  })
  child.unref()
  const hold = child.stdin
  if ('unref' in hold && typeof hold.unref === 'function') hold.unref()
  return {
    async release() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.ref()
      const ended = once(child, 'exit')
      hold.destroy()
      await ended
    },
  }
}

/** Says what takes a while, among the lines of a test. */
export function tell(sentence: string): void {
  process.stderr.write(`# ${sentence}\n`)
}
