import type { ChildProcess } from 'node:child_process'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monotonic, sleep } from '../../async/clock.ts'
import { connectPlugins, workerSettings } from '../fetch/connect.ts'
import { answers, javaArguments, type Launch, logTo, propertiesText } from '../fetch/java.ts'
import { brokerSettings, type KafkaPrograms, kafkaPrograms } from '../fetch/kafka.ts'
import { freePort, giveToServer, plainEnvironment, run, startDaemon } from '../fetch/machine.ts'
import { program } from '../fetch/maven.ts'
import type { Guard } from '../guard.ts'
import type { Say } from '../lines.ts'
import { ending, had } from '../server.ts'
import { seconds } from '../stage.ts'

/** Milliseconds that a Java program gets to say that it is ready. */
const DEADLINE = 180_000

/** A broker of Kafka and a worker of Kafka Connect with Debezium's connectors. */
export interface Pipeline extends AsyncDisposable {
  /** `host:port` of the broker. */
  readonly bootstrap: string
  /** Where the worker answers. */
  readonly worker: string
  /** SIGKILL of the worker; resolves when it is gone. */
  killWorker(): Promise<number>
  /** A new worker on the same port; resolves when it answers. */
  startWorker(): Promise<void>
}

interface Process {
  readonly pid: number
  stop(): Promise<void>
}

/** Starts both, with what they keep in the folder of the demo. */
export async function startPipeline(guard: Guard, say: Say): Promise<Pipeline> {
  const note = (text: string): void => say({ kind: 'note', text })
  const programs = await had(kafkaPrograms(note))
  const plugins = await had(connectPlugins(note))
  const began = monotonic()
  const bootstrap = `127.0.0.1:${await freePort()}`
  const broker = await startBroker(guard, programs, bootstrap)
  say({ kind: 'note', text: `Kafka 4.3 at ${bootstrap}, ready in ${seconds(began).toFixed(1)} s` })
  const worker = `http://127.0.0.1:${await freePort()}`
  const launch = (): Promise<Process> =>
    startWorker(guard, { programs, plugins, bootstrap, worker })
  const again = monotonic()
  let running = await launch().catch(async (error: unknown) => {
    await broker.stop()
    throw error
  })
  const text = `Kafka Connect with Debezium 3.6 at ${worker}, ready in ${seconds(again).toFixed(1)} s`
  say({ kind: 'note', text })
  return {
    bootstrap,
    worker,
    async killWorker() {
      await running.stop()
      return running.pid
    },
    async startWorker() {
      running = await launch()
    },
    async [Symbol.asyncDispose]() {
      await running.stop()
      await broker.stop()
    },
  }
}

async function startBroker(
  guard: Guard,
  programs: KafkaPrograms,
  bootstrap: string,
): Promise<Process> {
  const folder = await folderOf(guard, 'broker')
  const data = join(folder, 'data')
  await run('cp', ['-R', '--reflink=auto', programs.template, data], { asServer: true })
  const controller = `127.0.0.1:${await freePort()}`
  const settings = {
    ...brokerSettings,
    'controller.quorum.voters': `1@${controller}`,
    listeners: `PLAINTEXT://${bootstrap},CONTROLLER://${controller}`,
    'advertised.listeners': `PLAINTEXT://${bootstrap}`,
    'log.dirs': data,
  }
  const file = join(folder, 'server.properties')
  await writeFile(file, propertiesText(settings))
  const launch = { main: 'kafka.Kafka', args: [file], heap: '256m', classpath: programs.classpath }
  return await start(guard, folder, {
    launch,
    ready: (log) => log.includes('Kafka Server started'),
  })
}

async function startWorker(
  guard: Guard,
  how: {
    readonly programs: KafkaPrograms
    readonly plugins: string
    readonly bootstrap: string
    readonly worker: string
  },
): Promise<Process> {
  const folder = await folderOf(guard, 'worker')
  const settings = {
    ...workerSettings,
    'bootstrap.servers': how.bootstrap,
    'group.id': 'demo-connect',
    'config.storage.topic': '_connect-configs',
    'offset.storage.topic': '_connect-offsets',
    'status.storage.topic': '_connect-status',
    listeners: how.worker,
    'plugin.path': how.plugins,
  }
  const file = join(folder, 'connect.properties')
  await writeFile(file, propertiesText(settings))
  const main = 'org.apache.kafka.connect.cli.ConnectDistributed'
  const { classpath } = how.programs
  return await start(guard, folder, {
    launch: { main, args: [file], heap: '384m', classpath },
    ready: () => answers(`${how.worker}/connectors`),
  })
}

async function folderOf(guard: Guard, name: string): Promise<string> {
  const folder = join(guard.folder, name)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  giveToServer(folder)
  return folder
}

interface Starting {
  readonly launch: Launch
  readonly ready: (log: string) => boolean | Promise<boolean>
}

async function start(guard: Guard, folder: string, { launch, ready }: Starting): Promise<Process> {
  const whole = { ...launch, properties: await logTo(folder) }
  const path = join(folder, 'log')
  const log = await open(path, 'a')
  const how = { log: log.fd, cwd: folder, env: plainEnvironment() }
  const child = startDaemon(program('java'), javaArguments(whole), how)
  await log.close()
  const pid = child.pid ?? 0
  guard.watch('program', pid)
  const { stop } = ending(child, 'SIGKILL')
  const end = async (): Promise<void> => {
    await stop()
    guard.forget(pid)
  }
  const until = monotonic() + DEADLINE
  while (!(await ready(await readFile(path, 'utf8')))) {
    if (isRunning(child) && monotonic() < until) {
      await sleep(100)
      continue
    }
    await end()
    const said = (await readFile(path, 'utf8')).slice(-2000)
    throw new Error(`${launch.main} did not start:\n${said}`)
  }
  return { pid, stop: end }
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null
}
