import type { Writable } from 'node:stream'
import type { Environment } from '../config/interpolate.ts'

/** The world that a command lives in; that of the process unless a test gives another. */
export interface World {
  readonly environment: Environment
  readonly directory: string
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
}

export function ownWorld(): World {
  return {
    environment: process.env,
    directory: process.cwd(),
    stdout: process.stdout,
    stderr: process.stderr,
  }
}
