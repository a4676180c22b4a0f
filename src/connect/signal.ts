import type { NewRecord } from '../dialect/kafka/producer.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { Fault } from '../model/fault.ts'
import type { Settings } from './answers.ts'

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

/** The record that a connector with these settings hears. Throws HF-K421. */
export function signalFor(name: string, config: Settings, collections: readonly string[]): Signal {
  const key = config['topic.prefix'] ?? ''
  const channels = (config['signal.enabled.channels'] ?? 'source').split(',')
  if (!channels.some((channel) => channel.trim() === 'kafka') || key === '') {
    throw new Fault('HF-K421', { what: `connector ${name} does not listen to a topic of signals` })
  }
  const topic = config['signal.kafka.topic'] ?? `${key}-signal`
  return { topic, key, value: snapshotSignal(collections) }
}
