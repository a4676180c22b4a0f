import type { Table } from '../../model/table.ts'
import { MARK, STATE } from './config.ts'

/** MongoDB's limit of a name with its database in front of it, bytes. */
const LONGEST = 255

/** Why a collection cannot have this name; null when it can. */
export function collectionObstacle(database: string, name: string): string | null {
  if (name === '') return 'it is empty'
  if (name.includes('$')) return 'it holds a $'
  if (name.includes('\0')) return 'it holds a zero byte'
  if (name.startsWith('system.') || name.includes('.system.'))
    return 'the server keeps it for itself'
  if (name === STATE) return 'the mirror keeps its state there'
  if (name.startsWith('.') || name.endsWith('.')) return 'a dot stands at one of its ends'
  if (Buffer.byteLength(`${database}.${name}`) > LONGEST)
    return `it is longer than ${LONGEST} bytes`
  return null
}

/** Where a column of a renamed table stands: a document in the document for each dot but the last. */
export function pathOf({ columns, called }: Table, column: number): readonly string[] {
  const name = columns[column]?.name ?? ''
  return called !== undefined && called.columns[column] !== name ? name.split('.') : [name]
}

/** Why a field cannot have this name; null when it can. */
export function fieldObstacle(name: string): string | null {
  if (name === '_id' || name === MARK) return 'the mirror needs it for itself'
  return stepObstacle(name)
}

/** The same inside of a document of the row's. */
export function stepObstacle(name: string): string | null {
  if (name === '') return 'it is empty'
  if (name.startsWith('$')) return 'it begins with a $'
  if (name.includes('.')) return 'it holds a dot'
  if (name.includes('\0')) return 'it holds a zero byte'
  return null
}

/** The collection of a table: as was chosen, else by its name alone where all are of one schema. */
export function collectionNames(tables: readonly Table[]): (table: Table) => string {
  const schemas = new Set(tables.map(({ schema, called }) => called?.schema ?? schema))
  return ({ schema, name, called }) => {
    const chosen = called !== undefined && (called.schema !== schema || called.name !== name)
    if (chosen) return called.schema === schema ? name : `${schema}.${name}`
    return schemas.size > 1 ? `${schema}.${name}` : name
  }
}
