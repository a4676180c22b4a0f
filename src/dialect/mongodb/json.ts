import { Decimal128, Double, Int32, Long } from 'mongodb'
import type { Codec } from './values.ts'

/** Deeper ones no server stores (https://www.mongodb.com/docs/manual/reference/limits/). */
const DEEPEST = 90
const DECIMAL_DIGITS = 34
const INT32 = 2n ** 31n
const INT64 = 2n ** 63n

/** What a document cannot hold, or not so that it is printed again as it was. */
class Unlike extends Error {
  override readonly name = 'Unlike'
}

/**
 * Documents of JSON as documents: those that are printed as servers print what they have parsed, a
 * blank behind each comma and colon. What would not be printed to the letter is refused: numbers
 * that a Decimal128 is not, names twice, names with dots and dollars, which servers cannot all hold,
 * names like 10 behind others, which drivers put in front.
 */
export const jsonDocument: Codec = {
  as: 'document',
  write(text) {
    const source = text.toString('utf8')
    try {
      const value = new Parser(source).all()
      return printed(value) === source ? value : null
    } catch (error) {
      if (error instanceof Unlike) return null
      throw error
    }
  },
  put(out, name, { bytes, from, to }) {
    const value = this.write(bytes.subarray(from, to))
    if (value === null) return false
    out.value(name, value)
    return true
  },
  read(value) {
    try {
      return printed(value)
    } catch (error) {
      if (error instanceof Unlike) return null
      throw error
    }
  },
}

/** JSON’s null alone is none of its values: a field that is null is a column that is null. */
class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  all(): unknown {
    const value = this.#value(0)
    if (this.#at !== this.#text.length || value === null) throw new Unlike('not one value')
    return value
  }

  #value(depth: number): unknown {
    if (depth > DEEPEST) throw new Unlike('too deep')
    const sign = this.#text[this.#at]
    if (sign === '{') return this.#object(depth)
    if (sign === '[') return this.#array(depth)
    if (sign === '"') return this.#string()
    const word = this.#match(/true|false|null/y)
    if (word !== null) return word === 'null' ? null : word === 'true'
    return numberOf(this.#match(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y) ?? '')
  }

  #object(depth: number): Map<string, unknown> {
    const fields = new Map<string, unknown>()
    this.#expect('{')
    if (this.#take('}')) return fields
    do {
      const name = this.#string()
      if (name === '' || name.startsWith('$') || /[.\0]/.test(name)) throw new Unlike('a name')
      this.#expect(': ')
      fields.set(name, this.#value(depth + 1))
    } while (this.#take(', '))
    this.#expect('}')
    // Objects of the language, which documents are read as, have names like 10 in front.
    const read = Object.keys(Object.fromEntries(fields))
    if (String(read) !== String([...fields.keys()])) throw new Unlike('the order of its names')
    return fields
  }

  #array(depth: number): unknown[] {
    const items: unknown[] = []
    this.#expect('[')
    if (this.#take(']')) return items
    do items.push(this.#value(depth + 1))
    while (this.#take(', '))
    this.#expect(']')
    return items
  }

  #string(): string {
    const token = this.#match(/"(?:[^"\\]|\\.)*"/sy)
    if (token === null) throw new Unlike('no text')
    const text: unknown = JSON.parse(token)
    if (typeof text !== 'string' || !text.isWellFormed()) throw new Unlike('no text')
    return text
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0] ?? null
    this.#at += found?.length ?? 0
    return found
  }
  #take(sign: string): boolean {
    const is = this.#text.startsWith(sign, this.#at)
    if (is) this.#at += sign.length
    return is
  }
  #expect(sign: string): void {
    if (!this.#take(sign)) throw new Unlike('not as servers print it')
  }
}

/** By how it is written: whole numbers by their size, others as decimals, else as doubles. */
function numberOf(token: string): unknown {
  if (token === '') throw new Unlike('no value')
  if (/^-?\d+$/.test(token)) {
    const value = BigInt(token)
    if (token === '-0') throw new Unlike('a zero with a sign')
    if (value >= -INT32 && value < INT32) return new Int32(Number(value))
    if (value >= -INT64 && value < INT64) return Long.fromBigInt(value)
  }
  if (/e/i.test(token)) return new Double(Number(token))
  if (token.replace(/\D/g, '').replace(/^0+/, '').length > DECIMAL_DIGITS)
    throw new Unlike('digits')
  return Decimal128.fromString(token)
}

function printed(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Int32) return String(value.value)
  if (value instanceof Long) return value.toString()
  // Only what is written with an exponent is one.
  if (value instanceof Double) return value.value.toExponential().replace('e+', 'e')
  if (value instanceof Decimal128) return plain(value.toString())
  if (Array.isArray(value)) return `[${value.map(printed).join(', ')}]`
  const fields = value instanceof Map ? [...value] : Object.entries(objectOf(value))
  const named = fields.map(([name, one]) => `${JSON.stringify(name)}: ${printed(one)}`)
  return `{${named.join(', ')}}`
}

function objectOf(value: unknown): object {
  const isPlain =
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  if (!isPlain) throw new Unlike('of a type that JSON has not')
  return value
}

/** Without an exponent, with as many digits behind the point as it was made of. */
function plain(decimal: string): string {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]\d+))?$/.exec(decimal)
  if (parts === null) throw new Unlike('no number')
  const [, sign = '', whole = '', fraction = '', power = '0'] = parts
  const scale = fraction.length - Number(power)
  const digits = whole + fraction
  if (scale <= 0) return `${sign}${digits}${'0'.repeat(-scale)}`
  const padded = digits.padStart(scale + 1, '0')
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}
