import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Fault } from '../../../../src/model/fault.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, kafka } from '../../../../testkit/servers/index.ts'
import { TestTopics } from '../../../../testkit/topics.ts'
import { Envelopes } from './envelopes.ts'

export const TOPIC = 'public.t'

/** A topic of one table, and a mirror of it. */
export async function stand(t: TestContext, { partitions = 1 } = {}) {
  const broker = await kafka()
  const topics = TestTopics.at(t, broker)
  await topics.make(TOPIC, { partitions })
  const target = await database(t, 17)
  const ends = {
    source: broker.url(),
    target: target.url,
    selection: { include: [`${topics.prefix}.*`] },
  }
  const made = mirror(t, ends)
  /** What the faults say where only a new snapshot helps: destroy, and run --on-existing replace. */
  const anew = async (): Promise<readonly string[]> => {
    await made.destroy()
    return await mirror(t, { ...ends, onExisting: 'replace' }).catchUp()
  }
  const rows = async (columns = 'id, a'): Promise<string> => {
    const found = await target.query(`select ${columns} from public.t order by id`)
    return found.map((row) => Object.values(row).join(' ')).join(', ')
  }
  const log = new Envelopes(topics.prefix)
  return { topics, target, rows, log, anew, ends, catchUp: () => made.catchUp() }
}

export const halts = (code: string) => (error: unknown) => {
  assert.ok(error instanceof Fault, String(error))
  assert.equal(error.code, code, error.message)
  return true
}
