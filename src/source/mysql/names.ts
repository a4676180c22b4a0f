import { ident } from '../../dialect/mysql/quote.ts'
import type { Naming } from '../select.ts'

const OWN = new Set(['mysql', 'information_schema', 'performance_schema', 'sys', 'holdfast'])

/** Databases that belong to the server or to Holdfast. */
export function isOwnDatabase(name: string): boolean {
  return OWN.has(name.toLowerCase())
}

/**
 * How names of a server are compared; `home` is the database of the URL. `folded`: the server
 * takes upper and lower case of a table's name for the same (lower_case_table_names is not 0).
 */
export function namingOf(home: string | null, folded: boolean): Naming {
  return {
    fold: (name) => (folded ? name.toLowerCase() : name),
    home,
    own: isOwnDatabase,
    plain: folded ? /^[\p{Ll}\p{Lo}\p{Nd}_$]+$/u : /^[\p{L}\p{Nd}_$]+$/u,
  }
}

/** What a table is called for as long as it is mirrored: the server gives it no other lasting name. */
export function tableId(table: { readonly schema: string; readonly name: string }): string {
  return `${ident(table.schema)}.${ident(table.name)}`
}
