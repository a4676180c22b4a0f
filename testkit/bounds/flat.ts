import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { holdfast } from '../child.ts'
import { eventually } from '../eventually.ts'
import type { TestDatabase } from '../servers/index.ts'
import { usageOf } from './measure.ts'

interface Ends {
  readonly source: TestDatabase
  readonly target: TestDatabase
}

/** How much of everything that could be left behind there is. */
export type Held = Readonly<Record<string, number>>

/** What both servers and the folder of the mirror hold after each of `times` whole runs. */
export async function heldAfterRuns(ends: Ends, times: number): Promise<readonly Held[]> {
  return inFolder(async (cwd) => {
    const held: Held[] = []
    for (let time = 1; time <= times; time++) {
      await write(ends.source, time)
      await using child = holdfast(wordsFor(ends, ['--until', 'caught-up']), { cwd })
      const { code } = await child.end()
      if (code !== 0) throw new Error(child.lines.slice(-40).join('\n'))
      held.push(await heldBy(ends, cwd))
    }
    return held
  })
}

/** What one process and both servers hold each time it has recovered from lost connections. */
export async function heldAfterLosses(ends: Ends, times: number): Promise<readonly Held[]> {
  return inFolder(async (cwd) => {
    const held: Held[] = []
    await write(ends.source, 0)
    await using child = holdfast(wordsFor(ends, []), { cwd })
    await arrived(ends.target, 0)
    // Until here rows can be there before their keys are made, and relations grow by right.
    await child.line(/streaming/)
    for (let time = 1; time <= times; time++) {
      for (const end of [ends.source, ends.target]) {
        await end.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()`,
        )
      }
      await write(ends.source, time)
      await arrived(ends.target, time)
      const handles = usageOf(child.pid)?.handles ?? Number.NaN
      held.push({ ...(await heldBy(ends, cwd)), handles })
    }
    return held
  })
}

/** What grew between the second and the last look; the first look may still be warming up. */
export function grown(held: readonly Held[], slack: Held = {}): readonly string[] {
  const [, early] = held
  const last = held.at(-1)
  if (early === undefined || last === undefined) throw new Error('nothing was held')
  return Object.keys(last)
    .filter((what) => Number(last[what]) > Number(early[what]) + (slack[what] ?? 0))
    .map((what) => `${what}: ${early[what]} → ${last[what]}`)
}

async function inFolder<T>(work: (cwd: string) => Promise<T>): Promise<T> {
  const cwd = mkdtempSync(join(tmpdir(), 'holdfast-flat-'))
  try {
    return await work(cwd)
  } finally {
    rmSync(cwd, { recursive: true })
  }
}

function wordsFor({ source, target }: Ends, flags: readonly string[]): readonly string[] {
  const urls = ['--source', source.url, '--target', target.url]
  return ['run', '--name', source.name, ...urls, ...flags]
}

async function write(source: TestDatabase, time: number): Promise<void> {
  await source.query(`create table if not exists flat (id int primary key, body text)`)
  await source.query(
    `insert into flat select $1::int, string_agg(i::text, ',')
    from generate_series(1, 200) i`,
    [time],
  )
}

async function arrived(target: TestDatabase, time: number): Promise<void> {
  await eventually(
    `row ${time} is at the target`,
    async () => (await target.query('select 1 from flat where id = $1', [time])).length === 1,
    { within: 120_000 },
  )
}

async function heldBy({ source, target }: Ends, cwd: string): Promise<Held> {
  const files = readdirSync(cwd, { recursive: true, withFileTypes: true })
  return {
    ...(await heldIn('source', source)),
    ...(await heldIn('target', target)),
    'files in the folder': files.filter((entry) => entry.isFile()).length,
  }
}

/** Connections are those of others; relations are of every kind, temporary ones too. */
async function heldIn(side: string, database: TestDatabase): Promise<Held> {
  const [row] = await database.query(`select
    (select count(*) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()) as connections,
    (select count(*) from pg_replication_slots where database = current_database()) as slots,
    (select count(*) from pg_class) as relations,
    (select count(*) from pg_prepared_xacts where database = current_database()) as prepared,
    (select count(*) from pg_ls_tmpdir()) as "temporary files"`)
  return Object.fromEntries(
    Object.entries(row ?? {}).map(([what, count]) => [`${what} at the ${side}`, Number(count)]),
  )
}
