import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { mirror } from '../../../testkit/mirror.ts'
import { mongoDatabase, mysqlDatabase } from '../../../testkit/servers/index.ts'
import { changeEdges, makeGroups, putEdges } from './edges.ts'

type Kind = Parameters<typeof mysqlDatabase>[1]

const urlOf = async (t: TestContext, to: Kind | 'mongodb'): Promise<string> =>
  to === 'mongodb' ? (await mongoDatabase(t)).url : (await mysqlDatabase(t, to)).url

const pairs: readonly (readonly [Kind, Kind | 'mongodb'])[] = [
  ['mysql-9', 'mariadb-10.11'],
  ['mariadb-10.11', 'mysql-9'],
  ['mysql-5.6', 'mysql-9'],
  ['mysql-9', 'mongodb'],
]

for (const [from, to] of pairs) {
  test(`the edges of every type are copied, streamed and verified, ${from} to ${String(to)}`, async (t) => {
    const source = await mysqlDatabase(t, from)
    const groups = await makeGroups(source)
    const ends = mirror(t, { source: source.url, target: await urlOf(t, to) })
    await putEdges(source, groups, 0)
    await ends.catchUp()
    assert.deepEqual(await ends.differences(), [])
    await putEdges(source, groups, 1000)
    await changeEdges(source, groups)
    await ends.catchUp()
    assert.deepEqual(await ends.differences(), [])
  })
}
