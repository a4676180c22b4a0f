import { doubleText, singleText } from '../../model/floats.ts'
import type { Out } from '../../model/out.ts'
import type { Form, FormContext } from './forms.ts'
import { Misread } from './misread.ts'
import { fieldNamed, type Shape } from './shape.ts'
import { pass, type Wire } from './wire.ts'

/** `{x, y, wkb, srid}`: a point of PostgreSQL is its two numbers, one of MySQL is its bytes. */
export function pointForm(shape: Shape, context: FormContext): Form {
  if (context.connector !== 'postgresql') return geometryForm(shape, context)
  const [x, y] = [fieldNamed(shape, 'x'), fieldNamed(shape, 'y')]
  if (x === undefined || y === undefined)
    throw new Misread('unmapped', 'its points are not made of x and y')
  return {
    type: { kind: 'opaque', dialect: 'postgres', name: 'point' },
    write: (wire, out) => {
      const found = { x: 0, y: 0 }
      wire.open()
      shape.fields.forEach((field, i) => {
        wire.field(field, i)
        if (field === x) found.x = wire.double(field.shape)
        else if (field === y) found.y = wire.double(field.shape)
        else pass(wire, field.shape)
      })
      wire.close()
      out.ascii(`(${doubleText(found.x)},${doubleText(found.y)})`)
    },
  }
}

/** `{wkb, srid}`: as the server keeps it. */
export function geometryForm(shape: Shape, { connector }: FormContext): Form {
  if (connector === 'postgresql') {
    const name = shape.name.endsWith('Geography') ? 'geography' : 'geometry'
    return {
      type: { kind: 'opaque', dialect: 'postgres', name },
      write: (wire, out) => out.ascii(read(wire, shape).wkb.toString('hex').toUpperCase()),
    }
  }
  if (connector !== 'mysql' && connector !== 'mariadb')
    throw new Misread('unmapped', `it is a geometry of ${connector || 'an unknown server'}`)
  return { type: { kind: 'bytes' }, write: (wire, out) => ofMysql(read(wire, shape), out) }
}

interface Geometry {
  readonly wkb: Buffer
  readonly srid: number
}

function read(wire: Wire, shape: Shape): Geometry {
  const found = { wkb: Buffer.alloc(0), srid: 0 }
  wire.open()
  shape.fields.forEach((field, i) => {
    wire.field(field, i)
    if (field.shape.optional && wire.absent(field.shape)) return
    if (field.name === 'wkb') found.wkb = Buffer.from(wire.raw(field.shape))
    else if (field.name === 'srid') found.srid = Number(wire.whole())
    else wire.skip(field.shape)
  })
  wire.close()
  return found
}

/** MySQL keeps the number of the reference system before the bytes of the standard. */
function ofMysql({ wkb, srid }: Geometry, out: Out): void {
  const head = Buffer.alloc(4)
  head.writeUInt32LE(srid)
  out.bytes(head)
  out.bytes(wkb)
}

/** A list of numbers: pgvector's text, or the bytes of MySQL's VECTOR. */
export function vectorForm(shape: Shape, { connector }: FormContext): Form {
  const { of } = shape
  if (of === null) throw new Misread('unmapped', 'its schema does not say what its items are')
  const numbers = (wire: Wire): number[] => {
    const found: number[] = []
    wire.items(() => found.push(wire.double(of)))
    return found
  }
  if (connector === 'postgresql') {
    const print = of.type === 'float32' ? singleText : doubleText
    return {
      type: { kind: 'opaque', dialect: 'postgres', name: 'vector' },
      write: (wire, out) => out.ascii(`[${numbers(wire).map(print).join(',')}]`),
    }
  }
  return {
    type: { kind: 'bytes' },
    write: (wire, out) => {
      for (const number of numbers(wire)) {
        const four = Buffer.alloc(4)
        four.writeFloatLE(number)
        out.bytes(four)
      }
    },
  }
}
