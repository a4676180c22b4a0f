import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fetchArtifacts, program } from '../maven.ts'
import { javaArguments } from './java.ts'
import { cacheFolder, giveToServer, run } from './machine.ts'
import { madeOnce } from './programs.ts'

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
export function kafkaPrograms(): Promise<KafkaPrograms> {
  known ??= unpack()
  return known
}

async function unpack(): Promise<KafkaPrograms> {
  const cache = cacheFolder()
  const home = await madeOnce(join(cache, `kafka-${version}`), async (draft) => {
    process.stderr.write(`# fetching Kafka ${version} from Maven Central, 60 MB on disk\n`)
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
