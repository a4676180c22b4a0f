import type { TableMode } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import type { Blueprint, Table } from '../model/table.ts'
import type { Source, SourceTraits } from '../source/source.ts'
import type { Target, TargetPlan } from '../target/target.ts'
import type { MirrorOptions } from './options.ts'

/** What is to stand at the target, from what the source holds and what the user chose. */
export function planOf(
  blueprint: Blueprint,
  options: Pick<MirrorOptions, 'onExisting' | 'shape'>,
  { retells = false }: Pick<SourceTraits, 'retells'> = {},
): TargetPlan {
  const { onExisting } = options
  const tables = blueprint.tables.map((table) => ({
    table,
    target: { schema: table.schema, name: table.name },
    mode: modeOf(table, { onExisting, retells }),
  }))
  return { blueprint, tables, onExisting, shape: options.shape ?? 'mirror' }
}

function modeOf(
  table: Table,
  how: { readonly onExisting: MirrorOptions['onExisting']; readonly retells: boolean },
): TableMode {
  if (table.identity.by === 'none') return 'append'
  if (how.onExisting === 'merge') return 'merge'
  return how.retells ? 'put' : 'exact'
}

/** What a mirror was set up with and must be resumed with. */
export function settingsOf(options: MirrorOptions): Readonly<Record<string, unknown>> {
  const { selection, onExisting, shape = 'mirror', rename = [], metadata = false } = options
  return { ...selection, onExisting, shape, rename, metadata }
}

/** Refuses what only some targets can do. */
export function refuseShape(target: Target, options: MirrorOptions): void {
  const { shape = 'mirror', metadata = false } = options
  if (metadata) target.metadata?.('values')
  if (shape === 'mirror' || target.traits.history === true) return
  throw new Fault('HF-T254', {
    what: `target.shape is ${shape}, and ${target.label} can only hold rows as they are`,
    side: 'target',
  })
}

/** Refuses, before anything is written, a target that is the source itself. */
export function refuseSamePlace(source: Source, target: Target): void {
  if (source.place !== target.place) return
  throw new Fault('HF-C110', { what: `source and target are the same database: ${source.label}` })
}

/** The one encoding that the stream uses for all tables: the best that both ends have for each. */
export function streamEncoding(source: Source, target: Target, tables: readonly Table[]): string {
  const best = source.encodings(tables[0] ?? EMPTY).stream
  const both = (name: string, table: Table): boolean =>
    source.encodings(table).stream.includes(name) && target.encodings(table).stream.includes(name)
  return best.find((name) => tables.every((table) => both(name, table))) ?? leastOf(source, tables)
}

/** `best` lists the first table's encodings; a table with fewer decides otherwise. */
function leastOf(source: Source, tables: readonly Table[]): string {
  const shortest = tables
    .map((table) => source.encodings(table).stream)
    .sort((a, b) => a.length - b.length)[0]
  return shortest?.at(-1) ?? 'values'
}

const EMPTY: Table = {
  id: '',
  schema: '',
  name: '',
  columns: [],
  identity: { by: 'none' },
  version: '',
}
