import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Long } from 'mongodb'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect } from '../../../../src/dialect/mongodb/connect.ts'
import { write } from '../../../../src/target/mongodb/commands.ts'
import { MirrorState } from '../../../../src/target/mongodb/state.ts'
import { opmsgPeer } from '../../../../testkit/opmsg.ts'

// What a majority has is kept when a primary is lost, and what a majority has is what is read:
// https://www.mongodb.com/docs/manual/core/replica-set-rollbacks/
test('G10 what is written waits for a majority and its disk, what is read a majority has', async () => {
  const none = { ok: 1, cursor: { id: Long.ZERO, ns: 'shop._holdfast', firstBatch: [] } }
  await using peer = await opmsgPeer([{ ok: 1, version: '8.0.0' }, none, { ok: 1, n: 1 }])
  const url = peer.url.replace('/?', '/shop?')
  await using on = await connect(parseUrl(url, 'the target'), { mirror: 'm', purpose: 'apply' })
  assert.equal(on.transactions, true)
  assert.equal(await new MirrorState(on, 'm').read(), null)
  const writing = { ...on, session: null, send: <T>(command: () => Promise<T>) => command() }
  await write(writing, 'rows', { kind: 'insert', what: [{ _id: 1 }] })
  const [, read, written] = peer.commands
  assert.equal(read?.['find'], '_holdfast')
  assert.deepEqual(read?.['readConcern'], { level: 'majority' })
  assert.equal(written?.['insert'], 'rows')
  assert.deepEqual(written?.['writeConcern'], { w: 'majority', j: true })
})
