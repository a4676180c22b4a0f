import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openSession } from './index.ts'
import { giveToServer, ownDisk } from './machine.ts'
import type { PostgresServer } from './postgres.ts'

/** A disk that holds a tablespace and nothing else, and can be made too small. */
export interface Disk {
  /** The name of the tablespace. */
  readonly tablespace: string
  /** Bytes that are taken. */
  readonly used: number
  /** Makes it as large as this, in bytes; not less than what is taken. */
  resize(bytes: number): void
}

const tablespace = 'own_disk'

/**
 * A disk of the server's own, in memory, made on first use and gone with the server. Null where
 * this user may not mount one, or the server is not ours.
 */
export async function diskOf(server: PostgresServer, bytes: number): Promise<Disk | null> {
  if (server.dataDirectory === '') return null
  const folder = join(dirname(server.dataDirectory), ownDisk)
  if (!existsSync(folder)) {
    mkdirSync(folder)
    try {
      mount('-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder)
    } catch {
      return null
    }
    giveToServer(folder)
  }
  await using session = await openSession(server.url())
  const [made] = await session.query('select from pg_tablespace where spcname = $1', [tablespace])
  // Made before, where no disk could be mounted: the folder is there, the tablespace is not.
  if (made === undefined && statfsSync(folder).type !== TMPFS) return null
  if (made === undefined)
    await session.query(`create tablespace ${tablespace} location '${folder}'`)
  const used = (): number => {
    const { blocks, bfree, bsize } = statfsSync(folder)
    return (blocks - bfree) * bsize
  }
  return {
    tablespace,
    get used() {
      return used()
    },
    resize(size) {
      // More may be taken between the look and the step.
      for (let tries = 1; ; tries++) {
        try {
          return mount('-o', `remount,size=${Math.max(size, used())}`, folder)
        } catch (error) {
          if (tries === 10) throw error
        }
      }
    },
  }
}

/** TMPFS_MAGIC of linux/magic.h. */
const TMPFS = 0x01021994

function mount(...args: readonly string[]): void {
  execFileSync('mount', args, { stdio: 'ignore' })
}
