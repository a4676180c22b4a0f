import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication'
import { connect } from '../../../../src/dialect/postgres/connect.ts'
import { BINARY, cell, NULL, type Tuple, UNCHANGED } from '../../../../src/model/tuple.ts'
import {
  commitLsnOf,
  committedAtOf,
  Decoder,
  endLsnOf,
  oldIn,
  type PgoutputMessage,
  type RelationMessage,
  rowIn,
} from '../../../../src/source/postgres/log/pgoutput.ts'
import {
  WALSENDER_SETTINGS,
  Walsender,
  XLOG_DATA,
  XLOG_HEAD,
} from '../../../../src/source/postgres/log/walsender.ts'
import { formatLsn, parseLsn } from '../../../../src/source/postgres/position.ts'
import {
  last,
  ordinary,
  publications,
  replayed,
  streamed,
  tables,
} from '../../../../testkit/pgoutput/workload.ts'
import { database, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { endpointOf, never } from './support.ts'

// What a slot holds, decoded by the package pg-logical-replication and by us, change by change.

/** A row by column name; a value that is unchanged is left out. */
type Row = Readonly<Record<string, string | null>>

function asRow(tuple: Tuple | null, columns: readonly { readonly name: string }[]): Row | null {
  if (tuple === null) return null
  const row: Record<string, string | null> = {}
  for (const [i, { name }] of columns.entries()) {
    const { kind, bytes } = cell(tuple, i)
    assert.notEqual(kind, BINARY)
    if (kind !== UNCHANGED) row[name] = kind === NULL ? null : bytes.toString('utf8')
  }
  return row
}

const lsn = (at: bigint): string => formatLsn(at)
const theirLsn = (at: string | null): string => lsn(at === null ? 0n : parseLsn(at))

/** A message of ours in a form that both have. */
function ours(message: PgoutputMessage, relations: Map<number, RelationMessage>): unknown {
  switch (message.kind) {
    case 'begin':
      return ['begin', message.xid, lsn(commitLsnOf(message))]
    case 'commit': {
      const [at, end] = [lsn(commitLsnOf(message)), lsn(endLsnOf(message))]
      return ['commit', at, end, committedAtOf(message)]
    }
    case 'relation': {
      relations.set(message.id, message)
      const { id, schema, name, columns, replicaIdentity } = message
      const parts = columns.map((one) => [one.name, one.typeOid, one.typmod, one.key])
      return ['relation', id, schema, name, replicaIdentity, parts]
    }
    case 'insert':
    case 'update':
    case 'delete': {
      const relation = relations.get(message.relation)
      const columns = relation?.columns ?? []
      const row = asRow(rowIn(message), columns)
      let old = asRow(oldIn(message), columns)
      // The package gives the cells of a key alone.
      if (old !== null && relation?.replicaIdentity !== 'f') {
        const keys = columns.filter(({ key }) => key).map(({ name }) => name)
        old = Object.fromEntries(keys.map((name) => [name, old?.[name] ?? null]))
      }
      return [message.kind, relation?.name, row, old]
    }
    case 'truncate': {
      const names = message.relations.map((id) => relations.get(id)?.name)
      return ['truncate', names, message.restartSequences]
    }
    case 'message':
      return ['message', message.transactional, lsn(message.lsn), message.prefix]
    default:
      return [message.kind]
  }
}

const identities = { default: 'd', nothing: 'n', full: 'f', index: 'i' } as const

/** The package leaves `undefined` where a value is unchanged and in a key's other cells. */
function plain(row: Readonly<Record<string, unknown>> | null): Row | null {
  if (row === null) return null
  const values = Object.entries(row).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    values.map(([name, value]) => [name, value === null ? null : String(value)]),
  )
}

function theirs(message: Pgoutput.Message): unknown {
  switch (message.tag) {
    case 'begin':
      return ['begin', message.xid, theirLsn(message.commitLsn)]
    case 'commit':
      return [
        'commit',
        theirLsn(message.commitLsn),
        theirLsn(message.commitEndLsn),
        message.commitTime.valueOf(),
      ]
    case 'relation': {
      const { relationOid, schema, name, columns, replicaIdentity } = message
      const parts = columns.map((one) => [one.name, one.typeOid, one.typeMod, one.flags === 1])
      return ['relation', relationOid, schema, name, identities[replicaIdentity], parts]
    }
    case 'insert':
      return ['insert', message.relation.name, plain(message.new), null]
    case 'update':
      return [
        'update',
        message.relation.name,
        plain(message.new),
        plain(message.old ?? message.key),
      ]
    case 'delete':
      return ['delete', message.relation.name, null, plain(message.old ?? message.key)]
    case 'truncate':
      return ['truncate', message.relations.map(({ name }) => name), message.restartIdentity]
    case 'message':
      return ['message', message.transactional, theirLsn(message.messageLsn), message.prefix]
    default:
      return [message.tag]
  }
}

function isLast(told: unknown): boolean {
  return Array.isArray(told) && told[0] === 'message' && told[3] === 'last'
}

async function readOurs(db: TestDatabase, slot: string, after: bigint): Promise<unknown[]> {
  const session = await connect(endpointOf(db.url), {
    ...{ side: 'source', mirror: 'differential', purpose: 'stream', replication: true },
    settings: WALSENDER_SETTINGS,
  })
  await using walsender = await Walsender.start(session, {
    ...{ slot, after, protocol: 1, publications, binary: false },
    alive: async () => true,
    signal: never,
  })
  const decoder = new Decoder()
  const relations = new Map<number, RelationMessage>()
  const told: unknown[] = []
  while (!isLast(told.at(-1))) {
    for (const body of await walsender.next()) {
      if (body[0] !== XLOG_DATA) continue
      told.push(ours(decoder.decode(body.subarray(XLOG_HEAD)), relations))
    }
  }
  return told
}

async function readTheirs(t: TestContext, db: TestDatabase, slot: string): Promise<unknown[]> {
  const settings = `-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex
    -c extra_float_digits=3`
  const service = new LogicalReplicationService(
    { connectionString: db.url, options: settings.replaceAll(/\s+/g, ' ') },
    { acknowledge: { auto: false, timeoutSeconds: 0 } },
  )
  t.after(() => service.destroy())
  const plugin = new PgoutputPlugin({
    protoVersion: 1,
    publicationNames: [...publications],
    messages: true,
  })
  // It turns values of some types into numbers and dates; texts can be compared.
  const parse = plugin.parse.bind(plugin)
  plugin.parse = (bytes: Buffer) => {
    const message: Pgoutput.Message = parse(bytes)
    if (message.tag === 'relation') {
      for (const column of message.columns) column.parser = (text: string) => text
    }
    return message
  }
  const told: unknown[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  service.on('data', (_lsn: string, message: Pgoutput.Message) => {
    told.push(theirs(message))
    if (isLast(told.at(-1))) resolve()
  })
  service.on('error', reject)
  const subscribed = service.subscribe(plugin, slot)
  subscribed.catch(reject)
  await promise
  await service.destroy()
  await subscribed
  return told
}

for (const major of [14, 18] as const) {
  test(`another decoder finds the same in a slot of ${major}, message by message`, async (t) => {
    const db = await database(t, major)
    await db.query(tables)
    const slots = ['ours', 'theirs'].map((who) => `${who}_${db.name}`)
    const [mine = '', other = ''] = slots
    const [made] = await db.query(
      `select lsn from pg_create_logical_replication_slot('${mine}', 'pgoutput')`,
    )
    await db.query(`select pg_copy_logical_replication_slot('${mine}', '${other}')`)
    const written = [...ordinary, ...replayed, ...streamed.map(({ sql }) => sql), last]
    for (const sql of written) await db.query(sql)
    const found = await readOurs(db, mine, parseLsn(made?.['lsn'] ?? ''))
    assert.ok(found.length > 80)
    assert.deepEqual(await readTheirs(t, db, other), found)
  })
}
