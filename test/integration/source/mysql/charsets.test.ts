import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Charsets } from '../../../../src/dialect/mysql/charset-wide.ts'
import { sourceSession } from '../../../../testkit/binlog.ts'
import { mysql, mysqlServers } from '../../../../testkit/servers/index.ts'

/** Characters of every plane and script, and what each charset has at its edges. */
const blocks = [
  [0x20, 0x7e],
  [0xa0, 0x52f],
  [0x1e00, 0x1eff],
  [0x2000, 0x266f],
  [0x3000, 0x33ff],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xe000, 0xf8ff],
  [0xf900, 0xfaff],
  [0xfe30, 0xffe6],
  [0x1f600, 0x1f60f],
  [0x20000, 0x2003f],
] as const

function everything(): string {
  const texts = blocks.map(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i)).join(''),
  )
  return texts.join('')
}

for (const kind of mysqlServers) {
  test(`M43 every text of every character set is read as ${kind} reads it`, async () => {
    const server = await mysql(kind)
    await using session = await sourceSession(server)
    const rows = await session.query(
      'select character_set_name as c from information_schema.character_sets',
    )
    const names = rows.map(({ c }) => c ?? '').filter((name) => name !== 'binary')
    assert.ok(names.length >= 39)
    const charsets = await Charsets.of(session, names)
    const hex = Buffer.from(everything(), 'utf8').toString('hex')
    for (const name of names) {
      const convert = charsets.utf8From(name)
      assert.ok(convert !== null, name)
      // What the charset does not have is a question mark there, and is one here.
      const text = `convert(convert(x'${hex}' using utf8mb4) using ${name})`
      const [row] = await session.query(
        `select hex(${text}) as raw, hex(convert(${text} using utf8mb4)) as utf8`,
      )
      const raw = Buffer.from(row?.['raw'] ?? '', 'hex')
      assert.ok(raw.length > 10_000, name)
      const read = convert === 'same' ? raw : convert(raw)
      assert.equal(
        read?.toString('utf8'),
        Buffer.from(row?.['utf8'] ?? '', 'hex').toString('utf8'),
        name,
      )
    }
  })
}
