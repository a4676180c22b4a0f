import { Bytes, misread } from '../log/bytes.ts'
import { COLUMN } from './column-types.ts'

/**
 * What the log may say of a column beside its type (`binlog_row_metadata`; Table_map_event's
 * Optional_metadata_field_type). Absent is not said.
 */
export interface ColumnNotes {
  readonly name?: string
  readonly unsigned?: boolean
  /** The number of its collation, which names its character set; 63 is bytes. */
  readonly collation?: number
  /** Labels of an ENUM or SET, in the bytes of their character set. */
  readonly labels?: readonly Buffer[]
  readonly visible?: boolean
}

type Notes = { -readonly [K in keyof ColumnNotes]: ColumnNotes[K] }

const FIELD = {
  signedness: 1,
  defaultCharset: 2,
  columnCharset: 3,
  name: 4,
  setLabels: 5,
  enumLabels: 6,
  defaultLabelCharset: 10,
  labelCharset: 11,
  visibility: 12,
} as const

const numbers: ReadonlySet<number> = new Set([
  COLUMN.tiny,
  COLUMN.short,
  COLUMN.int24,
  COLUMN.long,
  COLUMN.longlong,
  COLUMN.newDecimal,
  COLUMN.float,
  COLUMN.double,
  COLUMN.year,
])

const texts: ReadonlySet<number> = new Set([
  COLUMN.string,
  COLUMN.varString,
  COLUMN.varchar,
  COLUMN.blob,
  COLUMN.tinyBlob,
  COLUMN.mediumBlob,
  COLUMN.longBlob,
  COLUMN.blobCompressed,
  COLUMN.varcharCompressed,
])

/**
 * Reads up to the end; one object for each column. MariaDB counts geometry among the texts, as
 * bytes. Throws Fault HF-L107.
 */
export function decodeNotes(
  bytes: Bytes,
  types: readonly number[],
  mariadb: boolean,
): readonly ColumnNotes[] {
  const all = types.map((): Notes => ({}))
  const of = (wanted: (type: number) => boolean): readonly Notes[] =>
    all.filter((_, index) => wanted(types[index] ?? COLUMN.null))
  const isText = (type: number): boolean => texts.has(type) || (mariadb && type === COLUMN.geometry)
  while (bytes.left > 0) {
    const field = bytes.byte()
    const content = new Bytes(bytes.slice(bytes.packed()), 'the description of a table')
    readers[field]?.({ bytes: content, all, of, isText })
  }
  return all
}

interface Field {
  readonly bytes: Bytes
  readonly all: readonly Notes[]
  readonly of: (wanted: (type: number) => boolean) => readonly Notes[]
  readonly isText: (type: number) => boolean
}

const isLabelled = (type: number): boolean => type === COLUMN.enum || type === COLUMN.set
const isSet = (type: number): boolean => type === COLUMN.set
const isEnum = (type: number): boolean => type === COLUMN.enum
const isNumber = (type: number): boolean => numbers.has(type)

/**
 * By field. Those that are not here, keys and kinds of geometry and what later servers add, do
 * not say how rows are read.
 */
const readers: Readonly<Record<number, (field: Field) => void>> = {
  [FIELD.signedness]: ({ bytes, of }) =>
    bitmap(bytes, of(isNumber), (note, bit) => {
      note.unsigned = bit
    }),
  [FIELD.visibility]: ({ bytes, all }) =>
    bitmap(bytes, all, (note, bit) => {
      note.visible = bit
    }),
  [FIELD.name]: ({ bytes, all }) => {
    for (const note of all) note.name = bytes.text(bytes.packed())
    bytes.done()
  },
  [FIELD.columnCharset]: ({ bytes, of, isText }) => collations(bytes, of(isText)),
  [FIELD.defaultCharset]: ({ bytes, of, isText }) => defaultCollation(bytes, of(isText)),
  [FIELD.labelCharset]: ({ bytes, of }) => collations(bytes, of(isLabelled)),
  [FIELD.defaultLabelCharset]: ({ bytes, of }) => defaultCollation(bytes, of(isLabelled)),
  [FIELD.setLabels]: ({ bytes, of }) => labels(bytes, of(isSet)),
  [FIELD.enumLabels]: ({ bytes, of }) => labels(bytes, of(isEnum)),
}

function bitmap(
  bytes: Bytes,
  notes: readonly Notes[],
  set: (note: Notes, bit: boolean) => void,
): void {
  const bits = bytes.slice((notes.length + 7) >> 3)
  bytes.done()
  for (const [index, note] of notes.entries()) {
    set(note, (((bits[index >> 3] ?? 0) << (index & 7)) & 0x80) !== 0)
  }
}

function collations(bytes: Bytes, notes: readonly Notes[]): void {
  for (const note of notes) note.collation = bytes.packed()
  bytes.done()
}

function defaultCollation(bytes: Bytes, notes: readonly Notes[]): void {
  const usual = bytes.packed()
  for (const note of notes) note.collation = usual
  while (bytes.left > 0) {
    const note = notes[bytes.packed()]
    const collation = bytes.packed()
    if (note === undefined) throw misread('a table has a collation of a column that it has not')
    note.collation = collation
  }
}

function labels(bytes: Bytes, notes: readonly Notes[]): void {
  for (const note of notes) {
    const count = bytes.packed()
    if (count > bytes.left) throw misread('a column has more labels than are there')
    const all: Buffer[] = []
    for (let i = 0; i < count; i++) all.push(bytes.slice(bytes.packed()))
    note.labels = all
  }
  bytes.done()
}
