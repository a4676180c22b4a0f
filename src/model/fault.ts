import type { CatalogueEntry, Todo } from './catalogue/entry.ts'
import { catalogue, type FaultCode } from './catalogue/index.ts'

export type { CatalogueEntry, Todo } from './catalogue/entry.ts'
export type { FaultCode } from './catalogue/index.ts'

export type Side = 'source' | 'target' | 'mirror'

export interface FaultDetail {
  /** What happened, in one sentence with the names in it. Never holds a value of a row. */
  readonly what: string
  readonly why?: string
  /** What is safe; the catalogue's sentence is used when there is none. */
  readonly safe?: string
  readonly todo?: readonly Todo[]
  readonly side?: Side
  readonly table?: string
  /** `schema.table` of all tables that it is about, where there may be several. */
  readonly tables?: readonly string[]
  /** Small facts for whoever looks deeper: SQLSTATE, the driver's own words, positions. */
  readonly evidence?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** A failure with its code; everything that a person is shown is derived from it. */
export class Fault extends Error {
  readonly code: FaultCode
  readonly detail: FaultDetail

  constructor(code: FaultCode, detail: FaultDetail) {
    super(detail.what, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = 'Fault'
    this.code = code
    this.detail = detail
  }

  get entry(): CatalogueEntry {
    return catalogue[this.code]
  }
  get why(): string {
    return this.detail.why ?? this.entry.why
  }
  get safe(): string {
    return this.detail.safe ?? this.entry.safe
  }
  get todo(): readonly Todo[] {
    return this.detail.todo ?? this.entry.todo
  }
  get transient(): boolean {
    return this.entry.class === 'transient'
  }
}

/** One result of a look before anything is done. Only `fail` stops. */
export type Finding =
  | { readonly level: 'ok'; readonly subject: string; readonly what: string }
  | { readonly level: 'warn' | 'fail'; readonly subject: string; readonly fault: Fault }

/** Any thrown thing as a Fault; what is not one becomes the internal fault HF-X001. */
export function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  return new Fault('HF-X001', { what: error.message || error.name, cause: error })
}
