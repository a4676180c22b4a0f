import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { every, monotonic, sleep } from '../../src/async/clock.ts'
import type { Child } from '../../testkit/child.ts'
import {
  type KafkaServer,
  kafka,
  openSession,
  type PostgresServer,
  postgres,
  type TestSession,
} from '../../testkit/servers/index.ts'
import { peakBytes, processSeconds, serverSeconds } from '../machine.ts'
import { PATIENCE, start } from '../stage.ts'
import type { Spent } from './report.ts'
import { emptyDatabase, type Made, rowsIn } from './topic.ts'

/** A broker, a target, and a folder for what a mirror writes. */
export interface Stand extends AsyncDisposable {
  readonly broker: KafkaServer
  readonly target: PostgresServer
  readonly folder: string
}

export async function openStand(): Promise<Stand> {
  const broker = await kafka({})
  const target = await postgres(17, {
    settings: { shared_buffers: '1GB', max_wal_size: '8GB', checkpoint_timeout: '30min' },
  })
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  return {
    broker,
    target,
    folder,
    [Symbol.asyncDispose]: async () => {
      await target[Symbol.asyncDispose]()
      await broker[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * Waits until everything is written out: what filled a topic, or ran before, leaves work that would
 * be done in the time of whoever is next.
 */
export async function rest({ target }: Stand): Promise<void> {
  await using session = await openSession(target.url())
  await session.query('checkpoint')
  execFileSync('sync')
}

/** The process of a server of Java. */
export function javaPid({ folder }: { readonly folder: string }): number {
  return Number(readFileSync(join(folder, 'pid'), 'latin1'))
}

/** What it took until something could be seen. */
export interface Took {
  readonly seconds: number
  readonly cpu: Spent
  /** Of the largest process that was watched, bytes. */
  readonly memory: number
}

/** Starts counting; the result says what it has been since. */
export function counting({
  broker,
  target,
}: Stand): (of: {
  readonly tool: number | null
  readonly worker?: number | null
  readonly memory: number
}) => Took {
  const at = (): { readonly target: number; readonly broker: number } => {
    return { target: serverSeconds(target), broker: processSeconds(javaPid(broker)) }
  }
  const before = at()
  const began = monotonic()
  return ({ tool, worker = null, memory }) => {
    const seconds = (monotonic() - began) / 1000
    const after = at()
    const servers = { target: after.target - before.target, broker: after.broker - before.broker }
    return { seconds, cpu: { tool, worker, source: null, ...servers }, memory }
  }
}

/** What processes used, also of those that have ended. */
export class Watched implements AsyncDisposable {
  readonly #pids: readonly number[]
  readonly #cpu = new Map<number, number>()
  readonly #looking = every(
    50,
    () => this.#look(),
    () => undefined,
  )
  memory = 0

  constructor(pids: readonly number[]) {
    this.#pids = pids
  }

  #look(): void {
    for (const pid of this.#pids) {
      this.#cpu.set(pid, Math.max(this.#cpu.get(pid) ?? 0, processSeconds(pid)))
      this.memory = Math.max(this.memory, peakBytes(pid))
    }
  }

  /** CPU seconds of all of them. */
  get tool(): number {
    this.#look()
    return [...this.#cpu.values()].reduce((sum, one) => sum + one, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looking.stop()
  }
}

/** Milliseconds between looks, and how many of them until it is asked who still works. */
const LOOK = 50
const LOOKS = 20

/** Until the last row of each partition is seen, which says that all before it is. */
export async function untilThere(
  session: TestSession,
  { rows, partitions }: Pick<Made, 'rows' | 'partitions'>,
  requireAlive: () => Promise<void>,
): Promise<void> {
  const last = `select count(*) = ${partitions} as there from entries where id > ${rows - partitions}`
  const made = `select to_regclass('public.entries') is not null as there`
  const until = monotonic() + PATIENCE
  let sql = made
  for (let looks = 1; ; looks++) {
    const [found] = await session.query(sql)
    const there = found?.['there'] === 't'
    if (there && sql === last) return
    if (there) sql = last
    if (looks % LOOKS === 0) await requireAlive()
    assert.ok(monotonic() < until, 'the last rows are there')
    await sleep(LOOK)
  }
}

/** The arguments of a mirror of a topic. */
export function mirrorOf(stand: Stand, topic: string, url: string): string[] {
  const ends = ['--source', stand.broker.url(), '--target', url]
  return ['run', ...ends, '--include', topic, '--name', 'bench']
}

/** The product, from the start of its process to its end; both ends are equal then. */
export async function ours(stand: Stand, made: Made): Promise<Took> {
  const url = await emptyDatabase(stand.target, 'bench_ours')
  await rest(stand)
  const took = counting(stand)
  const args = [...mirrorOf(stand, made.topic, url), '--until', 'caught-up']
  await using child = start(args, stand.folder)
  await using watched = new Watched([child.pid])
  await requireEnd(child)
  const found = took(watched)
  assert.equal(await rowsIn(url), made.expected)
  return found
}

export async function requireEnd(child: Child): Promise<void> {
  const { code } = await child.end({ within: PATIENCE })
  assert.equal(code, 0, child.lines.join('\n'))
}
