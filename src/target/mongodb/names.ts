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

/** Why a field cannot have this name; null when it can. */
export function fieldObstacle(name: string): string | null {
  if (name === '') return 'it is empty'
  if (name === '_id' || name === MARK) return 'the mirror needs it for itself'
  if (name.startsWith('$')) return 'it begins with a $'
  if (name.includes('.')) return 'it holds a dot'
  if (name.includes('\0')) return 'it holds a zero byte'
  return null
}

interface Named {
  readonly schema: string
  readonly name: string
}

/** The collection of a table: by its name alone where all tables are of one schema. */
export function collectionNames(tables: readonly Named[]): (table: Named) => string {
  const schemas = new Set(tables.map(({ schema }) => schema))
  return ({ schema, name }) => (schemas.size > 1 ? `${schema}.${name}` : name)
}
