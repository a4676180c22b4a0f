import type { Out } from '../../model/out.ts'
import type { Form } from './forms.ts'
import { Misread } from './misread.ts'
import type { Shape } from './shape.ts'
import type { Wire } from './wire.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** An array as PostgreSQL writes one. `formOf` finds the form of its items. */
export function arrayForm(shape: Shape, formOf: (of: Shape) => Form): Form {
  const { of } = shape
  if (of === null) throw new Misread('unmapped', 'its schema does not say what its items are')
  const inner = formOf(of)
  // The neutral type of an array names what it holds in the end, however deep.
  const type = inner.type.kind === 'array' ? inner.type : { kind: 'array' as const, of: inner.type }
  const item = itemOf(of, inner)
  return { type, write: (wire, out) => writeArray(wire, out, item) }
}

type Item = (wire: Wire, out: Out) => void

function writeArray(wire: Wire, out: Out, item: Item): void {
  out.byte(0x7b)
  let first = true
  wire.items(() => {
    if (!first) out.byte(0x2c)
    first = false
    item(wire, out)
  })
  out.byte(0x7d)
}

function itemOf(of: Shape, inner: Form): Item {
  return (wire, out) => {
    if (of.optional && wire.absent(of)) {
      out.ascii('NULL')
      return
    }
    const from = out.size
    inner.write(wire, out)
    if (inner.type.kind === 'array') return
    if (inner.type.kind === 'bytes') hex(out, from)
    quote(out, from)
  }
}

/** What was written since `from` of the event, as the server prints bytes. */
function hex(out: Out, from: number): void {
  const start = out.base + from
  const digits = out.buffer.toString('hex', start, out.at)
  out.at = start
  out.ascii(`\\x${digits}`)
}

/** Puts what was written since `from` of the event into quotes where an array needs them. */
function quote(out: Out, from: number): void {
  const start = out.base + from
  if (!quoted(out.buffer, start, out.at)) return
  const content = Buffer.from(out.buffer.subarray(start, out.at))
  out.at = start
  out.byte(QUOTE)
  for (const byte of content) {
    if (byte === QUOTE || byte === BACKSLASH) out.byte(BACKSLASH)
    out.byte(byte)
  }
  out.byte(QUOTE)
}

/** As array_out of PostgreSQL decides. */
function quoted(buffer: Buffer, from: number, to: number): boolean {
  if (from === to) return true
  if (to - from === 4 && buffer.toString('latin1', from, to).toUpperCase() === 'NULL') return true
  for (let at = from; at < to; at++) {
    const byte = buffer[at] ?? 0
    const blank = byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)
    const brace = byte === 0x7b || byte === 0x7d || byte === 0x2c
    if (blank || brace || byte === QUOTE || byte === BACKSLASH) return true
  }
  return false
}
