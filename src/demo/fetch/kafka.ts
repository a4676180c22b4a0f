import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { javaArguments } from './java.ts'
import { cacheFolder, giveToServer, madeOnce, run, type Telling } from './machine.ts'
import { fetchArtifacts, program } from './maven.ts'

/** Apache Kafka: the broker, Kafka Connect, and a formatted folder to copy. */
export interface KafkaPrograms {
  /** All of it, as Java's class path takes it. */
  readonly classpath: string
  /** What a broker finds at its first start; readable by the server's user only. */
  readonly template: string
}

/** Who may log in at a listener that asks. */
export const kafkaUser = { name: 'mirror', password: 'secret' } as const

const version = '4.3.1'

/** The ports are not kept in what is formatted. */
const formatted = `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:1
listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
`

async function format(classpath: string, folder: string): Promise<void> {
  giveToServer(folder)
  await chmod(folder, 0o700)
  const settings = join(folder, 'format.properties')
  await writeFile(settings, `${formatted}log.dirs=${join(folder, 'data')}\n`)
  const { name, password } = kafkaUser
  const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${name},password=${password}]`,
  ])
  const args = ['format', '-t', 'AAAAAAAAAAAAAAAAAAAAAA', '-c', settings, ...users]
  const main = 'kafka.tools.StorageTool'
  const java = javaArguments({ classpath, main, args, heap: '128m' })
  await run(program('java'), java, { asServer: true })
}

let known: Promise<KafkaPrograms> | undefined

/** Fetched from Maven Central on first use and kept in the cache folder. */
export function kafkaPrograms(telling: Telling): Promise<KafkaPrograms> {
  known ??= unpack(telling)
  return known
}

async function unpack(telling: Telling): Promise<KafkaPrograms> {
  const cache = cacheFolder()
  const home = await madeOnce(join(cache, `kafka-${version}`), async (draft) => {
    telling(`fetching Kafka ${version} from Maven Central, 60 MB on disk`)
    const into = join(draft, 'libs')
    const goal = ['copy-dependencies', `-DoutputDirectory=${into}`] as const
    await fetchArtifacts({ name: 'kafka', goal, into: draft })
  })
  const classpath = join(home, 'libs', '*')
  const folder = await madeOnce(join(cache, `kafka-${version}-data`), (draft) =>
    format(classpath, draft),
  )
  return { classpath, template: join(folder, 'data') }
}

// Retention and compaction are looked at often, since a test waits for them; groups may be as
// impatient as a test wants. After a crash the controller waits for the session of the broker that
// was before it takes the same one again.
export const brokerSettings: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'PLAINTEXT',
  'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '300',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '2',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '2',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  'group.consumer.min.session.timeout.ms': '1000',
  'group.consumer.min.heartbeat.interval.ms': '200',
  'num.network.threads': '2',
  'num.io.threads': '4',
  'background.threads': '4',
  'log.cleaner.dedupe.buffer.size': '16777216',
  'log.cleaner.backoff.ms': '500',
  'log.initial.task.delay.ms': '500',
  'log.retention.check.interval.ms': '500',
  'log.segment.delete.delay.ms': '0',
  'message.max.bytes': '20971520',
}
