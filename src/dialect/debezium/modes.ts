import { Fault } from '../../model/fault.ts'
import type { Modes } from './plain.ts'

type Known = { readonly [M in keyof Modes]-?: Readonly<Record<string, Modes[M]>> }

const DECIMALS: Known['decimal'] = { precise: 'precise', string: 'string' }
const TIMES: Known['time'] = {
  adaptive: 'adaptive',
  adaptive_time_microseconds: 'adaptive_time_microseconds',
  connect: 'connect',
  isostring: 'isostring',
  microseconds: 'microseconds',
  nanoseconds: 'nanoseconds',
}
const BINARIES: Known['binary'] = { bytes: 'base64', base64: 'base64', hex: 'hex' }

/** The settings of a connector that say how it writes values, by their names. */
const MODES = {
  'decimal.handling.mode': Object.keys(DECIMALS),
  'time.precision.mode': Object.keys(TIMES),
  'binary.handling.mode': Object.keys(BINARIES),
} as const

/** How values are written, by settings of the connector as it has them. Throws HF-C103. */
export function modesOf(settings: Readonly<Record<string, string>>): Modes {
  for (const [name, known] of Object.entries(MODES)) {
    const value = settings[name]
    if (value === undefined || known.includes(value)) continue
    const what = `${name} "${value}" cannot be read without loss; known are ${known.join(', ')}`
    throw new Fault('HF-C103', { what, side: 'source' })
  }
  const decimal = DECIMALS[settings['decimal.handling.mode'] ?? '']
  const time = TIMES[settings['time.precision.mode'] ?? '']
  const binary = BINARIES[settings['binary.handling.mode'] ?? '']
  return {
    ...(decimal === undefined ? {} : { decimal }),
    ...(time === undefined ? {} : { time }),
    ...(binary === undefined ? {} : { binary }),
  }
}
