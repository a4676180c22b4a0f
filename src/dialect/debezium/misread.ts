/** `undeclared`: it has no schema, and nothing else says what it means. */
export type MisreadKind = 'unreadable' | 'inexact' | 'unmapped' | 'undeclared'

/**
 * A record that is not what it says it is, or that holds a value with no exact form. The decoder
 * makes a Fault of it, which names topic, partition and offset.
 */
export class Misread extends Error {
  readonly kind: MisreadKind

  constructor(kind: MisreadKind, what: string) {
    super(what)
    this.name = 'Misread'
    this.kind = kind
  }
}

/** Bytes that cannot be read; `what` never holds a value of a row. */
export function misread(what: string): Misread {
  return new Misread('unreadable', what)
}

/** A value that has no exact form. */
export function inexact(what: string): Misread {
  return new Misread('inexact', what)
}
