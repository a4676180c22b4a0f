import type { Membership, Origin, SnapshotMark } from './event.ts'
import { exactly, type Parts, type Place, type Whole, whole } from './place.ts'
import type { Field, Shape } from './shape.ts'
import { type Memo, memo, pass, type Wire } from './wire.ts'

type Fact = string | boolean | Whole | readonly Whole[] | null

/** What is taken from the block; everything else is passed over. */
const WANTED = [
  'connector',
  'name',
  'db',
  'schema',
  'table',
  'snapshot',
  'ts_ms',
  'ts_us',
  'txId',
  'transaction_id',
  'lsn',
  'sequence',
  'gtid',
  'file',
  'pos',
  'row',
  'commit_lsn',
  'change_lsn',
  'event_serial_no',
  'scn',
  'commit_scn',
  'rs_id',
  'ssn',
] as const
type Wanted = (typeof WANTED)[number]

/** Where each of them stands in the list of facts. */
const AT = Object.fromEntries(WANTED.map((name, i) => [name, i])) as Readonly<
  Record<Wanted, number>
>

/** `index`: in the list of facts, -1 for what is passed over. */
interface Slot {
  readonly index: number
  readonly memo: Memo
}

/** Reads the block `source` of an envelope, or the fields that a flattened record has of it. */
export class OriginReader {
  readonly #shape: Shape
  readonly #slots: readonly Slot[]
  readonly #facts: Fact[] = WANTED.map(() => null)
  #log = { connector: '', name: '', db: '', file: '', text: '' }

  /** `connector`: whose it is, where the record does not say. */
  constructor(shape: Shape, connector = '') {
    this.#shape = shape
    this.#facts[AT.connector] = connector
    this.#slots = shape.fields.map(({ name }) => ({ index: indexOf(name), memo: memo() }))
  }

  /** Takes the facts from the wire, which is before the block. */
  read(wire: Wire): void {
    const { fields } = this.#shape
    const facts = this.#facts
    wire.open()
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]
      const slot = this.#slots[i]
      if (field === undefined || slot === undefined) continue
      wire.field(field, i)
      if (slot.index < 0) pass(wire, field.shape)
      else facts[slot.index] = readFact(wire, field.shape, slot)
    }
    wire.close()
  }

  /** Takes one of the fields, whose value comes next. */
  take(wire: Wire, field: Field): void {
    const slot = this.#slots[this.#shape.fields.indexOf(field)]
    if (slot === undefined || slot.index < 0) pass(wire, field.shape)
    else this.#facts[slot.index] = readFact(wire, field.shape, slot)
  }

  text(name: Wanted): string {
    const fact = this.#facts[AT[name]]
    return typeof fact === 'string' ? fact : ''
  }

  origin(membership: Membership | null): Origin {
    const facts = this.#facts
    return {
      connector: this.text('connector'),
      server: this.text('name'),
      database: this.text('db'),
      snapshot: markOf(facts[AT.snapshot]),
      committedAt: momentOf(facts[AT.ts_us], facts[AT.ts_ms]),
      place: this.#place(),
      transactionId: idOf(facts[AT.gtid] ?? facts[AT.txId] ?? facts[AT.transaction_id]),
      membership,
    }
  }

  #place(): Place | null {
    const connector = this.text('connector')
    const gtid = this.text('gtid') || null
    if (connector !== 'postgresql') return this.#placeOf(connector, gtid)
    return this.#made(postgres(this.#facts[AT.lsn], this.#facts[AT.sequence]), gtid)
  }

  #placeOf(connector: string, gtid: string | null): Place | null {
    const fact = (name: Wanted): Fact | undefined => this.#facts[AT[name]]
    switch (connector) {
      case 'mysql':
      case 'mariadb':
        return this.#made(
          [lastNumber(fact('file')), number(fact('pos')), number(fact('row'))],
          gtid,
        )
      case 'oracle': {
        const scn = number(fact('scn'))
        // A snapshot holds what was committed up to its SCN; that of a change alone is no place.
        const held = markOf(fact('snapshot')) === 'no' ? null : scn
        const commit = number(fact('commit_scn')) ?? held
        if (commit === null) return null
        return this.#made([commit, scn, hex(fact('rs_id')), number(fact('ssn'))], null)
      }
      case 'sqlserver':
      case 'db2':
      case 'informix': {
        const parts = [
          hex(fact('commit_lsn')),
          hex(fact('change_lsn')),
          number(fact('event_serial_no')),
        ]
        return this.#made(parts, null)
      }
      default:
        return null
    }
  }

  #made(parts: Parts, gtid: string | null): Place | null {
    if (parts.every(isUnsaid)) return null
    return { log: this.#logName(), parts, gtid }
  }

  /** The same text as long as nothing of it changes. */
  #logName(): string {
    const [connector, name] = [this.text('connector'), this.text('name')]
    const [db, file] = [this.text('db'), this.text('file')]
    const last = this.#log
    if (last.connector === connector && last.name === name && last.db === db && last.file === file)
      return last.text
    const mysql = connector === 'mysql' || connector === 'mariadb'
    const tail = mysql ? file.replace(/\.\d+$/, '') : db
    this.#log = { connector, name, db, file, text: `${connector}/${name}/${tail}` }
    return this.#log.text
  }
}

/** The prefix that flattened records have before the names of the block. */
const PREFIX = /^__(?:source_)?/

function indexOf(name: string): number {
  const plain = name.replace(PREFIX, '')
  const wanted: readonly string[] = WANTED
  return wanted.indexOf(plain)
}

function readFact(wire: Wire, shape: Shape, { index, memo: last }: Slot): Fact {
  if (shape.optional && wire.absent(shape)) return null
  switch (shape.type) {
    case 'string':
      return index === AT.sequence ? wire.runs(shape) : wire.again(last, shape)
    case 'boolean':
      return wire.boolean()
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return wire.whole()
    default:
      wire.skip(shape)
      return null
  }
}

/**
 * `[commit, lsn]`, or only the latter while the connector knows of no commit. Without the sequence
 * nothing is known: an LSN alone does not tell the order, since transactions write at the same time.
 */
function postgres(lsn: Fact | undefined, sequence: Fact | undefined): Parts {
  if (!Array.isArray(sequence)) return NOWHERE
  const runs: readonly Whole[] = sequence
  const own = number(lsn) ?? runs.at(-1) ?? null
  return [runs.length > 1 ? (runs[0] ?? null) : null, own]
}

const NOWHERE: Parts = [null, null]

function isUnsaid(part: Whole | null): boolean {
  return part === null
}

function number(fact: Fact | undefined): Whole | null {
  if (typeof fact === 'number' || typeof fact === 'bigint') return fact
  return typeof fact === 'string' && /^\d+$/.test(fact) ? whole(fact) : null
}

/** `0000002a:00000398:0005` and ` 0x00011f.00009a40.0010 ` as one number. */
function hex(fact: Fact | undefined): Whole | null {
  if (typeof fact !== 'string') return number(fact)
  const digits = fact.trim().replace(/^0x/, '').replaceAll(/[:.]/g, '')
  return /^[0-9a-fA-F]+$/.test(digits) ? whole(`0x${digits}`) : null
}

/** `mysql-bin.000003` as 3. */
function lastNumber(fact: Fact | undefined): Whole | null {
  const digits = typeof fact === 'string' ? /(\d+)$/.exec(fact)?.[1] : undefined
  return digits === undefined ? null : whole(digits)
}

const MARKS: ReadonlySet<string> = new Set<SnapshotMark>([
  'true',
  'first',
  'first_in_data_collection',
  'last_in_data_collection',
  'last',
  'incremental',
])

function markOf(fact: Fact | undefined): SnapshotMark {
  const text = String(fact ?? 'false')
  return MARKS.has(text) ? (text as SnapshotMark) : 'no'
}

function momentOf(micros: Fact | undefined, millis: Fact | undefined): Whole | null {
  const exact = number(micros)
  if (exact !== null) return exact
  const rough = number(millis)
  return rough === null ? null : exactly(BigInt(rough) * 1000n)
}

function idOf(fact: Fact | undefined): string | Whole | null {
  if (typeof fact === 'string') return fact === '' ? null : fact
  return typeof fact === 'number' || typeof fact === 'bigint' ? fact : null
}

/** `{id, total_order, data_collection_order}` when it is there. */
export function readMembership(wire: Wire, shape: Shape): Membership | null {
  if (shape.optional && wire.absent(shape)) return null
  const found = { id: '', totalOrder: 0, collectionOrder: 0 }
  wire.open()
  shape.fields.forEach((field, i) => {
    wire.field(field, i)
    if (field.name === 'id') found.id = wire.string(field.shape)
    else if (field.name === 'total_order') found.totalOrder = Number(wire.whole())
    else if (field.name === 'data_collection_order') found.collectionOrder = Number(wire.whole())
    else pass(wire, field.shape)
  })
  wire.close()
  return found
}
