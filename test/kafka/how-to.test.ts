import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { launcher, startChild } from '../../testkit/child.ts'
import { debezium } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import { records } from '../../testkit/records.ts'
import { database, kafka } from '../../testkit/servers/index.ts'

const page = new URL('../../docs/how-to/debezium-pipeline.md', import.meta.url)

/** The blocks of this language, in the order of the page. */
function blocks(text: string, language: string): readonly string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, kind, body]) =>
    kind === language && body !== undefined ? [body] : [],
  )
}

test('the commands of “You already run Debezium” end with a mirror that is equal', async (t) => {
  const [source, target] = [await database(t, 18), await database(t, 17)]
  await source.query(`
    create table item (id int primary key, name text, price numeric(10, 2), at timestamptz);
    create table part (item int, n int, note text, primary key (item, n));
    insert into item select i, 'item ' || i, i * 1.5, now() from generate_series(1, 200) i;
    insert into part select i, 1, null from generate_series(1, 50) i`)
  await using connector = await debezium(t, source)
  for (const [table, rows] of [
    ['item', 200],
    ['part', 50],
  ] as const) {
    await eventually(
      `the topic of ${table}`,
      async () => (await records(`${connector.prefix}.public.${table}`)).length === rows,
      { within: 120_000 },
    )
  }
  const text = await readFile(page, 'utf8')
  const [where = '', ...commands] = blocks(text, 'sh')
  const [yaml = ''] = blocks(text, 'yaml')
  const env: Record<string, string> = {
    BROKERS: (await kafka()).bootstrap,
    PREFIX: connector.prefix,
    CONNECTOR: connector.name,
    CONNECT_URL: connector.worker.url,
    SOURCE_URL: source.url,
    TARGET_URL: target.url,
  }
  const named = [...where.matchAll(/\b([A-Z_]+)=/g)].map(([, name]) => name)
  assert.deepEqual(named, Object.keys(env))
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-how-to-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'holdfast.yaml'), yaml)
  const program = join(folder, 'holdfast')
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${launcher}' "$@"\n`)
  await chmod(program, 0o755)
  const path = [folder, process.env['PATH'] ?? ''].join(delimiter)
  const walk = async (steps = commands): Promise<string> => {
    const script = `set -eu\n${steps.join('\n')}`
    const how = { cwd: folder, env: { ...env, PATH: path } }
    await using child = startChild('/bin/sh', ['-c', script], how)
    const { code } = await child.end({ within: 240_000 })
    assert.equal(code, 0, child.lines.join('\n'))
    return child.stdout.join('\n')
  }
  const first = await walk()
  assert.match(first, new RegExp(`${connector.name} +running`))
  assert.match(first, new RegExp(`${connector.prefix}\\.public\\.item +1 +200 `))
  assert.match(first, /shop has caught up/)
  assert.match(first, /behind by 0/)
  assert.match(first, /verify PASS +2 of 2 tables equal/)
  await source.query(`
    update item set price = price + 1 where id % 2 = 0;
    delete from part where item < 10;
    insert into item values (1000, 'new', 1, now())`)
  // What the page does once more is harmless, and brings what came since or compares across it.
  assert.match(await walk(), /verify PASS +2 of 2 tables equal/)
  await target.query('update public.item set price = 0 where id = 7')
  await assert.rejects(walk(commands.slice(-1)), /public\.item +1 of 201 rows differ[\s\S]*id=7/)
})
