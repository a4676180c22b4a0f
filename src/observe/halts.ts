import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isoTime, wallMicros } from '../async/clock.ts'
import type { Fault } from '../model/fault.ts'
import { FOLDER, makeFolder } from './socket.ts'
import type { Status } from './status.ts'

/** Why a mirror that ran in this folder runs no longer. */
export type Halt = NonNullable<Status['fault']> & { readonly at: string }

function pathOf(directory: string, mirror: string): string {
  return join(directory, FOLDER, `${mirror}.halt.json`)
}

/**
 * Writes down why a mirror has halted. It is kept beside the process and not at the target, which
 * may be what it halted at.
 */
export function rememberHalt(directory: string, mirror: string, fault: Fault): void {
  const { code, detail, todo } = fault
  const halt: Halt = { code, what: detail.what, todo, at: isoTime(wallMicros()) }
  makeFolder(directory)
  const path = pathOf(directory, mirror)
  // A reader finds all of it or what was there before.
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify(halt), { mode: 0o600 })
  renameSync(draft, path)
}

/** It runs again, or is gone. */
export function forgetHalt(directory: string, mirror: string): void {
  rmSync(pathOf(directory, mirror), { force: true })
}

/** Null where it has not halted in this folder since it ran last. */
export function lastHalt(directory: string, mirror: string): Halt | null {
  try {
    const told: unknown = JSON.parse(readFileSync(pathOf(directory, mirror), 'utf8'))
    // Nobody but this program writes there, and a file cut off is no JSON.
    return told as Halt
  } catch {
    return null
  }
}
