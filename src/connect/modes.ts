import { Fault } from '../model/fault.ts'
import type { Settings } from './answers.ts'

/** What a connector of PostgreSQL does unless it is told otherwise. */
const USUAL: Settings = {
  'decimal.handling.mode': 'precise',
  'time.precision.mode': 'adaptive',
  'binary.handling.mode': 'bytes',
}

/** Throws HF-K307 where a mirror reads values in other modes than its connector writes them. */
export function requireModes(connector: string, config: Settings, read: Settings): void {
  for (const [name, usual] of Object.entries(USUAL)) {
    const [given, own] = [read[name], config[name] ?? usual]
    if (given === undefined || given === own) continue
    throw new Fault('HF-K307', {
      what: `connector ${connector} has ${name}=${own}, and source.kafka.modes of the mirror says ${given}`,
      side: 'source',
      todo: [{ text: `Say ${name}=${own} among source.kafka.modes.` }],
    })
  }
}
