import type { PgName, PgTypeUse } from '../../../dialect/postgres/schema.ts'
import type { TypeIndex } from '../../../dialect/postgres/types.ts'
import type { Column } from '../../../model/table.ts'
import { holdsNeutral, neutralSql } from '../schema/neutral.ts'
import type { FoundColumn } from './look.ts'

/** Types of text without a length: what one of them holds, the others hold, too. */
const TEXTS = new Set(['text', 'varchar'])

/** Why a column at the target cannot hold the source's; null when it can. */
export function columnMismatch(
  column: Column,
  at: {
    readonly found: FoundColumn
    /** Null when the source speaks another dialect. */
    readonly use: PgTypeUse | null
    readonly types: TypeIndex
  },
): string | null {
  const { found, use, types } = at
  if (found.generated) return `its column ${column.name} is generated`
  const same = use === null ? holdsNeutral(column.type, found) : sameType(use, found, types)
  const wanted = use === null ? neutralSql(column.type) : use.sql
  return same ? null : `its column ${column.name} is ${found.sql}, not ${wanted}`
}

/** The one that is not written by the mirror must be made by the target. */
export function generatedMismatch(found: FoundColumn): string | null {
  return found.generated ? null : `its column ${found.name} is not generated`
}

function sameType(use: PgTypeUse, found: FoundColumn, types: TypeIndex): boolean {
  const { name, array } = elementName(use.oid, types)
  if (name === null || array !== found.array || name.schema !== found.type.schema) return false
  const texts = TEXTS.has(name.name) && TEXTS.has(found.type.name)
  if (name.name !== found.type.name && !(texts && found.typmod === -1)) return false
  return use.typmod === found.typmod || found.typmod === -1
}

/** The name of a type, or of an array's elements. */
export function elementName(
  oid: number,
  types: TypeIndex,
): { readonly name: PgName | null; readonly array: boolean } {
  const type = types.get(oid)
  if (type?.kind !== 'array') return { name: type ?? null, array: false }
  return { name: types.get(type.element) ?? null, array: true }
}
