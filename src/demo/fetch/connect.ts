import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jar } from './jar.ts'
import { cacheFolder, madeOnce, type Telling } from './machine.ts'
import { fetchArtifacts } from './maven.ts'

const debezium = '3.6.0.Final'
const apicurio = '2.6.13.Final'

let plugins: Promise<string> | undefined

/**
 * The path of plugins with Debezium's connectors for PostgreSQL, MySQL and MariaDB, its JDBC sink,
 * and a converter for Avro, fetched from Maven Central on first use and kept in the cache folder.
 */
export function connectPlugins(telling: Telling): Promise<string> {
  plugins ??= fetchPlugins(telling)
  return plugins
}

async function fetchPlugins(tell: Telling): Promise<string> {
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
export function registryProgram(telling: Telling): Promise<string> {
  registry ??= fetchRegistry(telling)
  return registry
}

async function fetchRegistry(tell: Telling): Promise<string> {
  const home = await madeOnce(join(cacheFolder(), `registry-${apicurio}`), async (draft) => {
    tell(`fetching Apicurio's registry ${apicurio} from Maven Central, 150 MB on disk`)
    const goal = ['unpack', `-DoutputDirectory=${join(draft, 'app')}`] as const
    await fetchArtifacts({ name: 'registry', goal, into: draft })
  })
  const runner = join(home, 'app', `apicurio-registry-app-${apicurio}-runner.jar`)
  return `${runner}:${join(home, 'app', 'lib', '*')}`
}

const providers = 'org.apache.kafka.common.config.provider'

// A worker that is killed is missed for as long as its session; offsets are kept each second.
export const workerSettings: Readonly<Record<string, string>> = {
  'plugin.discovery': 'service_load',
  'config.storage.replication.factor': '1',
  'offset.storage.replication.factor': '1',
  'status.storage.replication.factor': '1',
  'offset.storage.partitions': '1',
  'status.storage.partitions': '1',
  'offset.flush.interval.ms': '1000',
  'session.timeout.ms': '5000',
  'heartbeat.interval.ms': '1000',
  'scheduled.rebalance.max.delay.ms': '0',
  'task.shutdown.graceful.timeout.ms': '2000',
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'connector.client.config.override.policy': 'All',
  'config.providers': 'env,file,directory',
  'config.providers.env.class': `${providers}.EnvVarConfigProvider`,
  'config.providers.file.class': `${providers}.FileConfigProvider`,
  'config.providers.directory.class': `${providers}.DirectoryConfigProvider`,
}
