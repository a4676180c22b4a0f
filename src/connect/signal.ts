import { brokersOf } from '../dialect/kafka/connect.ts'
import type { NewRecord } from '../dialect/kafka/producer.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { Fault } from '../model/fault.ts'
import { shellWord } from '../model/shell.ts'
import type { Settings } from './answers.ts'
import { signalTopic } from './template.ts'
import type { Worker } from './worker.ts'

/** A record that connectors hear. */
export type Signal = NewRecord

/** Puts a signal where its connector hears it; in the name of a mirror. Throws Fault. */
export async function sendSignal(brokers: Endpoint, mirror: string, signal: Signal): Promise<void> {
  const { sendRecord } = await import('../dialect/kafka/producer.ts')
  await sendRecord(brokers, { mirror, purpose: 'signals' }, signal)
}

/** What a person has to do for a connector that nothing is known of but its name. */
export function signalByHand(server: string, value: string): string {
  const key = server === '' ? 'of its topic.prefix' : server
  return `waiting for a snapshot: put ${value} with the key ${key} into the topic that the connector’s signal.kafka.topic names`
}

/** What a connector is told so that it takes a snapshot of these tables and goes on after it. */
export function snapshotSignal(collections: readonly string[]): string {
  const data = { type: 'BLOCKING', 'data-collections': collections.map(literally) }
  return JSON.stringify({ type: 'execute-snapshot', data })
}

/** Tables are named by expressions that have to match the whole name. */
function literally(name: string): string {
  return name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** A connector that is to hear something. */
export interface Listener {
  readonly name: string
  readonly config: Settings
  readonly worker: Pick<Worker, 'label' | 'user'>
  /** The brokers as the mirror reaches them. */
  readonly brokers: Endpoint
}

/** The record that a connector with these settings hears. Throws HF-K421. */
export function signalFor(listener: Listener, collections: readonly string[]): Signal {
  const { name, config } = listener
  const key = config['topic.prefix'] ?? ''
  if (!channelsOf(config).includes('kafka') || key === '') {
    throw new Fault('HF-K421', {
      what: `connector ${name} does not listen to a topic of signals`,
      todo: [
        { text: 'Let it listen. Its other settings stay.', run: patchOf(listener) },
        { text: 'Then ask again.', run: 'holdfast resync-tables' },
      ],
    })
  }
  const topic = config['signal.kafka.topic'] ?? `${key}-signal`
  return { topic, key, value: snapshotSignal(collections) }
}

/** What it listens to; a table of signals unless it says. */
function channelsOf(config: Settings): readonly string[] {
  const channels = config['signal.enabled.channels'] ?? 'source'
  return channels.split(',').map((channel) => channel.trim())
}

/** What lets a connector listen beside what it listens to already. */
function patchOf({ name, config, worker, brokers }: Listener): string {
  const settings = {
    'signal.enabled.channels': [...channelsOf(config), 'kafka'].join(','),
    'signal.kafka.topic': config['signal.kafka.topic'] ?? signalTopic(name),
    'signal.kafka.bootstrap.servers':
      config['signal.kafka.bootstrap.servers'] ?? brokersOf(brokers).join(','),
  }
  const url = `${worker.label}/connectors/${encodeURIComponent(name)}/config`
  const login = worker.user === '' ? [] : ['-u', worker.user]
  const words = ['-X', 'PATCH', ...login, '-H', 'Content-Type: application/json', url]
  return ['curl', ...words, '-d', JSON.stringify(settings)].map(shellWord).join(' ')
}
