import { createRequire } from 'node:module'
import type { Bson } from './bson.ts'

/** What the driver puts behind a command as a section of its own, as it is. */
interface Sequence {
  push(document: object, bytes: Uint8Array): number
}

type SequenceClass = new (field: string) => Sequence

const sequenceClass = found()

/**
 * Documents that are written already, as the value of a field of a command: a section of kind 1
 * (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg). The driver does so
 * with its own bulk writes, and has no public name for it; its version is pinned.
 */
export function sequenceOf(field: string, documents: Bson): object {
  const sequence = new sequenceClass(field)
  sequence.push({}, documents.bytes)
  return sequence
}

function found(): SequenceClass {
  const load = createRequire(import.meta.url)
  const commands: Readonly<Record<string, unknown>> = load('mongodb/lib/cmap/commands.js')
  const known = commands['DocumentSequence']
  if (typeof known === 'function') return known as SequenceClass
  throw new TypeError('this driver of MongoDB knows no sequences of documents')
}
