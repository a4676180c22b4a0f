import { mkdir, writeFile } from 'node:fs/promises'
import { TYPE } from '../../src/source/mysql/log/event.ts'
import type { Declared } from '../../src/source/mysql/rows/plan.ts'
import { declaredNow } from '../../src/source/mysql/schema/declared.ts'
import { logEnd, rawEvents, sourceSession } from '../binlog.ts'
import { type MysqlServer, mysql, openMysql } from '../servers/index.ts'
import { scenesOf } from './scenes.ts'
import { type Described, readTrace, retold, type Traced, traced, traceFile } from './trace.ts'

/** The columns of each table after each statement that may have changed them. */
async function perform(server: MysqlServer, kind: Traced): Promise<Described> {
  const described: Record<string, readonly Declared[]> = {}
  await using looker = await sourceSession(server)
  for (const [index, statements] of scenesOf(kind).entries()) {
    await using session = await openMysql(server.url())
    if (index > 0) await session.query('use traces')
    for (const sql of statements) {
      await session.query(sql)
      for (const name of ['n', 't', 'm', 'j', 'u']) {
        const columns = await declaredNow(looker, { schema: 'traces', name })
        if (columns.length > 0) described[`${name}/${columns.length}`] = columns
      }
    }
  }
  return described
}

/** All events of the server's log from its first one on, and a heartbeat behind them. */
async function record(server: MysqlServer): Promise<readonly Buffer[]> {
  const { file, position } = await logEnd(server)
  const events: Buffer[] = []
  let current = ''
  let ended = false
  for await (const bytes of rawEvents(server, {
    by: 'file',
    file: 'binlog.000001',
    position: 4n,
  })) {
    events.push(bytes)
    const type = bytes[4]
    if (type === TYPE.rotate) current = bytes.toString('latin1', 27, 40)
    if (current === file && bytes.readUInt32LE(13) >= position) ended = true
    if (ended && type === TYPE.heartbeat) return events
  }
  return events
}

/** Writes the traces of all servers anew, with what they are read as now: look at both. */
for (const kind of traced) {
  await using server = await mysql(kind, {})
  await using session = await openMysql(server.url())
  // What the server wrote before is of no interest, and so are its first numbers.
  await session.query('select 1')
  const described = await perform(server, kind)
  const events = await record(server)
  await mkdir(new URL('.', traceFile(kind, 'events')), { recursive: true })
  await writeFile(traceFile(kind, 'events'), Buffer.concat(events))
  await writeFile(traceFile(kind, 'tables.json'), `${JSON.stringify(described, null, 2)}\n`)
  const told = await retold(await readTrace(kind))
  const lines = told.map((one) => JSON.stringify(one))
  await writeFile(traceFile(kind, 'says.jsonl'), `${lines.join('\n')}\n`)
  process.stdout.write(`${kind}: ${events.length} events\n`)
}
