import type { TextRow } from '../../dialect/postgres/connect.ts'

/** A cell that the query cannot leave null. */
export function text(row: TextRow, name: string): string {
  const value = row[name]
  if (value === null || value === undefined) throw new TypeError(`the catalogue gave no ${name}`)
  return value
}

/** A cell that may be null. */
export function optional(row: TextRow, name: string): string | null {
  return row[name] ?? null
}

export function number(row: TextRow, name: string): number {
  return Number(text(row, name))
}

export function yes(row: TextRow, name: string): boolean {
  return row[name] === 't'
}

/** A cell of json_agg over texts; null counts as empty. */
export function texts(row: TextRow, name: string): string[] {
  const value: unknown = JSON.parse(row[name] ?? '[]')
  return Array.isArray(value) ? value.map(String) : []
}

/** A name in two cells, `<prefix>_schema` and `<prefix>_name`; null when there is none. */
export function named(row: TextRow, prefix: string): { schema: string; name: string } | null {
  const name = optional(row, `${prefix}_name`)
  return name === null ? null : { schema: text(row, `${prefix}_schema`), name }
}

/** OIDs as the text of an array. */
export function oidArray(oids: Iterable<string | number>): string {
  return `{${[...oids].join(',')}}`
}

/** Rows by the text of one of their cells, in order. */
export function grouped(rows: readonly TextRow[], name: string): Map<string, TextRow[]> {
  const groups = new Map<string, TextRow[]>()
  for (const row of rows) {
    const key = text(row, name)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return groups
}
