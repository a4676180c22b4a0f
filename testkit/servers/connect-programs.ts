import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jar } from '../jar.ts'
import { fetchArtifacts } from '../maven.ts'
import { cacheFolder } from './machine.ts'
import { madeOnce } from './programs.ts'

const debezium = '3.6.0.Final'
const apicurio = '2.6.13.Final'

let plugins: Promise<string> | undefined

/**
 * The path of plugins with Debezium's connectors for PostgreSQL, MySQL and MariaDB, its JDBC sink,
 * and a converter for Avro, fetched from Maven Central on first use and kept in the cache folder.
 */
export function connectPlugins(): Promise<string> {
  plugins ??= fetchPlugins()
  return plugins
}

async function fetchPlugins(): Promise<string> {
  const cache = cacheFolder()
  const connectors = await madeOnce(join(cache, `debezium-${debezium}`), async (draft) => {
    tell(`fetching Debezium ${debezium} from Maven Central, 60 MB on disk`)
    const goal = ['unpack', `-DoutputDirectory=${join(draft, 'plugins')}`] as const
    await fetchArtifacts({ name: 'debezium', goal, into: draft })
  })
  const converter = await madeOnce(join(cache, `avro-converter-${apicurio}`), async (draft) => {
    const folder = join(draft, 'converter')
    const goal = ['copy-dependencies', `-DoutputDirectory=${folder}`] as const
    await fetchArtifacts({ name: 'converter', goal, into: draft })
    await writeFile(join(folder, 'service.jar'), jar([service]))
  })
  return `${join(connectors, 'plugins')},${converter}`
}

// The converter does not say of itself that it is one, as a worker that starts quickly wants it to.
const service = {
  name: 'META-INF/services/org.apache.kafka.connect.storage.Converter',
  content: Buffer.from('io.apicurio.registry.utils.converter.AvroConverter\n'),
}

let registry: Promise<string> | undefined

/** The class path of a registry of schemas, fetched and kept in the same way. */
export function registryProgram(): Promise<string> {
  registry ??= fetchRegistry()
  return registry
}

async function fetchRegistry(): Promise<string> {
  const home = await madeOnce(join(cacheFolder(), `registry-${apicurio}`), async (draft) => {
    tell(`fetching Apicurio's registry ${apicurio} from Maven Central, 150 MB on disk`)
    const goal = ['unpack', `-DoutputDirectory=${join(draft, 'app')}`] as const
    await fetchArtifacts({ name: 'registry', goal, into: draft })
  })
  const runner = join(home, 'app', `apicurio-registry-app-${apicurio}-runner.jar`)
  return `${runner}:${join(home, 'app', 'lib', '*')}`
}

function tell(what: string): void {
  process.stderr.write(`# ${what}\n`)
}
