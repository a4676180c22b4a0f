import type { TestContext } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect, type Session } from '../../../../src/dialect/postgres/connect.ts'
import type { Batch, Step } from '../../../../src/model/batch.ts'
import type { Position, Positions } from '../../../../src/model/position.ts'
import type { Column, Identity, Table } from '../../../../src/model/table.ts'
import { tupleOf } from '../../../../src/model/tuple.ts'
import type { Tuples } from '../../../../src/model/tuples.ts'
import type { Type } from '../../../../src/model/value.ts'
import { openPostgresTarget } from '../../../../src/target/postgres/index.ts'
import type { Claim, Target, TargetPlan } from '../../../../src/target/target.ts'
import { packedTuples } from '../../../../testkit/packed.ts'
import { database, type Major, type TestDatabase } from '../../../../testkit/servers/index.ts'

export const LANE = 'wal'

export function at(order: number): Positions {
  const position: Position = { log: 'a log', order: BigInt(order), token: `0/${order}` }
  return new Map([[LANE, position]])
}

const INT: Type = { kind: 'int', bits: 32, unsigned: false }
const TEXT: Type = { kind: 'text' }
export const types = { int: INT, text: TEXT, bytes: { kind: 'bytes' } } as const

export function table(
  name: string,
  columns: Readonly<Record<string, Type>>,
  identity: Identity = { by: 'key', columns: [0] },
): Table {
  return {
    id: name,
    schema: 'public',
    name,
    columns: Object.entries(columns).map(
      ([column, type], i): Column => ({
        name: column,
        type,
        native: '',
        nullable: identity.by !== 'key' || !identity.columns.includes(i),
      }),
    ),
    identity,
    version: '1',
  }
}

export function planFor(
  tables: readonly Table[],
  onExisting: TargetPlan['onExisting'] = 'refuse',
): TargetPlan {
  return {
    blueprint: { dialect: 'test', tables, native: null },
    tables: tables.map((one) => ({
      table: one,
      target: { schema: one.schema, name: one.name },
      mode: onExisting === 'merge' ? 'merge' : one.identity.by === 'none' ? 'append' : 'exact',
    })),
    onExisting,
  }
}

export async function open(url: string, mirror = 'shop'): Promise<Target> {
  return await openPostgresTarget({
    endpoint: parseUrl(url, 'the test'),
    mirror,
    position: () => {
      throw new Error('not asked for')
    },
  })
}

export interface Stand extends AsyncDisposable {
  readonly db: TestDatabase
  readonly target: Target
  readonly claim: Claim
}

/** A fresh database with a claimed target and tables that are copied (and empty) at position 1. */
export async function stand(
  t: TestContext,
  where: Major | TestDatabase,
  tables: readonly Table[],
  sql = '',
): Promise<Stand> {
  const db = typeof where === 'number' ? await database(t, where) : where
  if (sql !== '') await db.query(sql)
  const target = await open(db.url)
  const claim = await target.claim({ settings: {}, patience: 0 }, AbortSignal.timeout(20_000))
  await target.prepare(planFor(tables))
  await target.begin(tables, { positions: at(1), source: {}, first: true })
  for (const one of tables) await target.copied(one)
  const dispose = async (): Promise<void> => {
    await claim[Symbol.asyncDispose]()
    await target[Symbol.asyncDispose]()
  }
  return { db, target, claim, [Symbol.asyncDispose]: dispose }
}

export function batch(
  from: number,
  to: number,
  steps: readonly Step[],
  how: { readonly flush?: boolean; readonly additive?: boolean } = {},
): Batch {
  const made: Batch = {
    growing: false,
    grown: async () => undefined,
    previous: at(from),
    positions: at(to),
    parts: [{ steps }],
    additive: how.additive ?? false,
    collapsed: false,
    stretches: [],
    inOrder: () => made,
    halves: () => null,
    newest: at(to),
    transactions: 1,
    changes: steps.length,
    bytes: 0,
    committedAt: null,
    flush: how.flush ?? false,
  }
  return made
}

/** Tuples of text cells. */
export function rows(
  ...values: readonly (readonly (string | Buffer | null | undefined)[])[]
): Tuples {
  return packedTuples(values.map((row) => tupleOf(row)))
}

export async function orderOf(target: Target): Promise<bigint | undefined> {
  return (await target.checkpoint())?.positions.get(LANE)?.order
}

/** One CopyData message, as the encodings of copies have them. */
export function copyData(bytes: Buffer): Buffer {
  const head = Buffer.from([0x64, 0, 0, 0, 0])
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

/** A session as the product opens one, closed after the test. */
export async function openSession(
  t: TestContext,
  db: TestDatabase,
  side: 'source' | 'target' = 'target',
): Promise<Session> {
  const session = await connect(parseUrl(db.url, 'test'), { side, mirror: 'test', purpose: 'test' })
  t.after(() => session[Symbol.asyncDispose]())
  return session
}
