import { join } from 'node:path'
import { fetchArtifacts } from '../maven.ts'
import { cacheFolder } from './machine.ts'
import { madeOnce } from './programs.ts'

const debezium = '3.6.0.Final'

let known: Promise<string> | undefined

/**
 * The folder with Debezium's connectors for PostgreSQL, MySQL and MariaDB and its JDBC sink, fetched from
 * Maven Central on first use and kept in the cache folder.
 */
export function connectPlugins(): Promise<string> {
  known ??= unpack()
  return known
}

async function unpack(): Promise<string> {
  const home = await madeOnce(join(cacheFolder(), `debezium-${debezium}`), async (draft) => {
    process.stderr.write(`# fetching Debezium ${debezium} from Maven Central, 50 MB on disk\n`)
    const goal = ['unpack', `-DoutputDirectory=${join(draft, 'plugins')}`] as const
    await fetchArtifacts({ name: 'debezium', goals: [goal], into: draft })
  })
  return join(home, 'plugins')
}
