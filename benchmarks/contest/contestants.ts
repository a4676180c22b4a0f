import assert from 'node:assert/strict'
import { type Child, startChild } from '../../testkit/child.ts'
import type { TestSession } from '../../testkit/servers/index.ts'
import type { Pair } from '../machine.ts'
import { formScript, NAME, PATIENCE, runOf, start, untilTrue } from '../stage.ts'

/** A contestant at work. */
export interface Started {
  /** Of the tool; native has none. */
  readonly pid: number | null
  /** The first line of the tool that matches; native has none. */
  readonly line: (pattern: RegExp) => Promise<string>
  /** Settles when the tool ends by itself, and then rejects. */
  readonly failed: Promise<never>
  readonly stop: () => Promise<void>
}

const never = new Promise<never>(() => undefined)

export interface NativeOptions {
  readonly publications: readonly string[]
  /** One that is there already; null: made and dropped by the subscription. */
  readonly slot: string | null
  readonly copy: boolean
  /** Tables are copied in binary form; what PostgreSQL does by itself is text. */
  readonly binary?: boolean
}

/** A subscription of the session's database. */
export async function startNative(
  pair: Pair,
  target: TestSession,
  { publications, slot, copy, binary = false }: NativeOptions,
): Promise<Started> {
  const from = new URL(pair.source.url(NAME))
  const connection = `host=${from.hostname} port=${from.port} user=postgres dbname=${NAME}`
  const kept = slot === null ? '' : `create_slot = false, slot_name = '${slot}', `
  await target.query(`create subscription s connection '${connection}'
    publication ${publications.join(', ')} with (${kept}copy_data = ${copy}, binary = ${binary})`)
  const stop = async (): Promise<void> => {
    await target.query('alter subscription s disable')
    if (slot !== null) await target.query('alter subscription s set (slot_name = none)')
    else await untilTrue(target, 'not exists (select from pg_stat_subscription where pid > 0)')
    await target.query('drop subscription s')
  }
  return { pid: null, line: () => never, failed: never, stop }
}

/** The product, from the pair's source into the database `run`. */
export function startOurs(pair: Pair, folder: string, how: readonly string[] = []): Started {
  return started(start([...runOf(pair, 'run'), ...how], folder))
}

/** The same with changes that travel in one form only. */
export function startForm(pair: Pair, folder: string, form: string): Started {
  const ends = [pair.source.url(NAME), pair.target.url('run')]
  return started(startChild(process.execPath, [formScript(), ...ends, NAME, form, folder]))
}

function started(child: Child): Started {
  const failed = child.ended.then(({ code }) =>
    assert.fail(`ended with ${code}\n${child.lines.join('\n')}`),
  )
  failed.catch(() => undefined)
  const stop = async (): Promise<void> => {
    child.signal('SIGTERM')
    const { code } = await child.end({ within: PATIENCE })
    assert.equal(code, 0, child.lines.join('\n'))
    if (process.env['HOLDFAST_BENCH_LINES'] !== undefined) console.error(child.lines.join('\n'))
  }
  const line = (pattern: RegExp): Promise<string> => child.line(pattern, { within: PATIENCE })
  return { pid: child.pid, line, failed, stop }
}
