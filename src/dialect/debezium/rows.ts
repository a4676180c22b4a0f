import { createHash } from 'node:crypto'
import type { Out } from '../../model/out.ts'
import type { Column, Table } from '../../model/table.ts'
import { locate } from '../../model/tuple.ts'
import { type Form, type FormContext, formOf } from './forms.ts'
import { type Loss, lossesOf } from './losses.ts'
import { inexact, Misread } from './misread.ts'
import { placeholders } from './placeholder.ts'
import { type Field, fieldNamed, type Shape } from './shape.ts'
import { pass, type Wire } from './wire.ts'

/** A column and how it is read. */
interface Cell {
  readonly field: Field
  readonly form: Form
  /** What a value looks like that the connector did not know. */
  readonly unknown: readonly Buffer[]
}

export interface RowOptions extends FormContext {
  /** Fields that are no columns. */
  readonly without?: (field: string) => boolean
}

/** Reads the rows of a struct into tuples. */
export class RowReader {
  readonly shape: Shape
  readonly columns: readonly Column[]
  /** Of each field; null for one that is no column. */
  readonly #cells: readonly (Cell | null)[]
  readonly #connector: string
  #partial = false

  /** Throws Misread where a field has a type without a counterpart. */
  constructor(shape: Shape, options: RowOptions) {
    this.shape = shape
    this.#connector = options.connector
    const cells = shape.fields.map((field) => cellOf(field, options))
    this.#cells = cells
    this.columns = cells.flatMap((cell) => (cell === null ? [] : [columnOf(cell)]))
  }

  /** What the connector lost of the columns. */
  get losses(): readonly Loss[] {
    return lossesOf(this.shape, this.#connector)
  }
  /** The columns whose schema has a default. */
  get defaulted(): readonly string[] {
    return this.shape.fields.filter(({ shape }) => shape.defaulted).map(({ name }) => name)
  }

  /** True when the row that was read last has a cell that the connector did not know. */
  get partial(): boolean {
    return this.#partial
  }

  /**
   * Writes the row that the wire stands before; `aside` takes the fields that are no columns, which
   * are passed over without it.
   */
  read(wire: Wire, out: Out, aside: ((field: Field) => void) | null = null): void {
    const { fields } = this.shape
    const cells = this.#cells
    this.#partial = false
    wire.open()
    out.begin(this.columns.length)
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]
      const cell = cells[i]
      if (field === undefined || cell === undefined) continue
      wire.field(field, i)
      const { shape } = field
      if (cell !== null) {
        if (shape.optional && wire.absent(shape)) out.null()
        else this.#cell(wire, out, cell)
      } else if (aside !== null) aside(field)
      else pass(wire, shape)
    }
    wire.close()
  }

  #cell(wire: Wire, out: Out, cell: Cell): void {
    out.open()
    try {
      cell.form.write(wire, out)
    } catch (error) {
      if (!(error instanceof Misread)) throw error
      throw new Misread(error.kind, `the column ${cell.field.name}: ${error.message}`)
    }
    const { unknown } = cell
    for (let i = 0; i < unknown.length; i++) {
      const bytes = unknown[i]
      if (bytes === undefined || !out.holds(bytes)) continue
      out.drop()
      out.unchanged()
      this.#partial = true
      return
    }
    out.close()
  }
}

function cellOf(field: Field, options: RowOptions): Cell | null {
  if (options.without?.(field.name) === true) return null
  try {
    const form = formOf(field.shape, options)
    return { field, form, unknown: placeholders(form.type, options.placeholder) }
  } catch (error) {
    if (!(error instanceof Misread)) throw error
    throw new Misread(error.kind, `the column ${field.name}: ${error.message}`)
  }
}

function columnOf({ field: { name, shape }, form: { type } }: Cell): Column {
  const native = shape.parameters['__debezium.source.column.type'] ?? (shape.name || shape.type)
  return { name, type, native, nullable: shape.optional }
}

/** The columns that are the fields of a key; null when a field of it is none of them. */
export function keyColumns(columns: readonly Column[], key: Shape): readonly number[] | null {
  const found = key.fields.map(({ name }) => columns.findIndex((column) => column.name === name))
  return found.length === 0 || found.includes(-1) ? null : found
}

/** The table of such rows; its mark names the columns that have a default. */
export function tableOf(
  id: { readonly topic: string; readonly schema: string; readonly name: string },
  { columns, defaulted }: RowReader,
  key: readonly number[] | null,
): Table {
  const identity: Table['identity'] = key === null ? { by: 'row' } : { by: 'key', columns: key }
  const { schema, name } = id
  const digest = createHash('sha256').update(JSON.stringify([schema, name, columns, identity]))
  const version = digest.digest('hex').slice(0, 16)
  const mark = JSON.stringify(defaulted)
  return { id: id.topic, schema, name, columns, identity, version, mark }
}

/** Reads keys into tuples as wide as the table. */
export class KeyReader {
  readonly #inner: RowReader
  readonly #cells: readonly number[]
  readonly #offsets: number[] = []
  readonly #scratch: Out
  readonly #width: number

  /** `scratch`: where a key is put together. */
  constructor(shape: Shape, table: Table, options: RowOptions & { readonly scratch: Out }) {
    this.#inner = new RowReader(shape, options)
    this.#scratch = options.scratch
    this.#width = table.columns.length
    this.#cells = table.columns.map(({ name }) =>
      this.#inner.columns.findIndex((column) => column.name === name),
    )
    for (const { name } of this.#inner.columns) {
      if (fieldNamed(shape, name) === undefined || !table.columns.some((c) => c.name === name))
        throw new Misread('unreadable', `its key has the field ${name}, which is no column`)
    }
  }

  read(wire: Wire, out: Out): void {
    const scratch = this.#scratch
    scratch.at = 0
    scratch.start()
    this.#inner.read(wire, scratch)
    if (this.#inner.partial) throw inexact('the connector did not know a value of the key')
    locate(scratch.buffer, this.#offsets, scratch.base)
    out.begin(this.#width)
    for (const index of this.#cells) {
      if (index < 0) out.null()
      else out.bytes(scratch.buffer, this.#offsets[index], this.#offsets[index + 1])
    }
  }
}
