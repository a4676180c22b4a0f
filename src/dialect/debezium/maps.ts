import type { Form, FormContext } from './forms.ts'
import { Misread } from './misread.ts'
import type { Shape } from './shape.ts'

/** Texts by texts, which is what an hstore of PostgreSQL is, as its server prints it. */
export function mapForm(shape: Shape, { connector }: FormContext): Form {
  const { of, keys } = shape
  if (of?.type !== 'string' || keys?.type !== 'string' || connector !== 'postgresql')
    throw new Misread('unmapped', 'it has the type map, which has no counterpart')
  return {
    type: { kind: 'opaque', dialect: 'postgres', name: 'hstore' },
    write: (wire, out) => {
      const pairs: (readonly [Buffer, string])[] = []
      wire.pairs(shape, (key) => {
        const value = of.optional && wire.absent(of) ? null : wire.string(of)
        pairs.push([Buffer.from(key), `${quoted(key)}=>${value === null ? 'NULL' : quoted(value)}`])
      })
      // The server keeps them by the length of the key, and equal ones by its bytes.
      pairs.sort(([a], [b]) => a.length - b.length || a.compare(b))
      out.text(pairs.map(([, text]) => text).join(', '))
    },
  }
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}
