import { z } from 'zod'
import type { Checkpoint, TableState } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import type { Position, Positions } from '../model/position.ts'
import type { Table } from '../model/table.ts'
import type { TargetPlan } from './target.ts'

// What a target's state holds as JSON. It was written by us, but people and backups can reach it,
// and a checkpoint that is misread would lose rows: what is not whole is refused.

const place = z.object({
  log: z.string(),
  order: z.string().regex(/^\d{1,40}$/),
  lasting: z
    .string()
    .regex(/^\d{1,40}$/)
    .optional(),
  token: z.string(),
  landmark: z.string().nullish(),
})
const places = z.record(z.string(), place)

const index = z.number().int().nonnegative()
const table = z
  .looseObject({
    id: z.string(),
    schema: z.string(),
    name: z.string(),
    columns: z.array(
      z.looseObject({
        name: z.string(),
        type: z.looseObject({ kind: z.string() }),
        native: z.string(),
        nullable: z.boolean(),
      }),
    ),
    identity: z.discriminatedUnion('by', [
      z.object({ by: z.literal('key'), columns: z.array(index).min(1) }),
      z.object({ by: z.literal('row') }),
      z.object({ by: z.literal('none') }),
    ]),
    version: z.string(),
    mark: z.string().optional(),
    called: z
      .object({ schema: z.string(), name: z.string(), columns: z.array(z.string()) })
      .optional(),
  })
  .refine(({ identity, columns }) =>
    identity.by === 'key' ? identity.columns.every((i) => i < columns.length) : true,
  )

const name = z.object({ schema: z.string(), name: z.string() })
const mode = z.enum(['exact', 'put', 'merge', 'append'])
const tables = z.array(
  z.object({
    table,
    target: name,
    mode,
    state: z.enum(['pending', 'copying', 'copied']),
    start: places.nullable(),
    rowsCopied: index,
  }),
)

const identities = z.record(z.string(), z.object({ value: z.string(), changed: z.string() }))
const settings = z.record(z.string(), z.unknown())
const plan = z.looseObject({
  blueprint: z.looseObject({ dialect: z.string(), tables: z.array(table) }),
  tables: z.array(z.looseObject({ table, target: name, mode })),
  onExisting: z.enum(['refuse', 'merge', 'replace']),
})

type StoredRow = Readonly<Record<string, string | null>>

/** Positions as JSON that `checkpointOf` reads. */
export function storedPositions(positions: Positions): string {
  const lanes = [...positions].map(([lane, { log, order, lasting, token, landmark }]) => [
    lane,
    {
      ...{ log, order: order.toString(), token },
      ...(lasting === undefined ? {} : { lasting: lasting.toString() }),
      ...(landmark === undefined ? {} : { landmark }),
    },
  ])
  return JSON.stringify(Object.fromEntries(lanes))
}

function positionsOf(stored: z.infer<typeof places>): Positions {
  return new Map(
    Object.entries(stored).map(([lane, { log, order, lasting, token, landmark }]) => [
      lane,
      {
        ...{ log, order: BigInt(order), token },
        ...(lasting === undefined ? {} : { lasting: BigInt(lasting) }),
        ...(landmark == null ? {} : { landmark }),
      } satisfies Position,
    ]),
  )
}

/**
 * The checkpoint in a row with the columns settings, source, finished (`t` or `f`), positions and tables.
 * Throws Fault HF-X108.
 */
export function checkpointOf(mirror: string, row: StoredRow): Checkpoint {
  const of = { mirror, row }
  return {
    mirror,
    source: parse(of, 'source', identities),
    positions: positionsOf(parse(of, 'positions', places)),
    tables: parse(of, 'tables', tables).map(
      (stored): TableState => ({
        ...stored,
        // The shape was checked as far as the core reads it; the rest is its source's own.
        table: stored.table as unknown as Table,
        start: stored.start === null ? null : positionsOf(stored.start),
      }),
    ),
    settings: parse(of, 'settings', settings),
    finished: row['finished'] === 't',
  }
}

/** The plan in a row with the column plan. Throws Fault HF-X108. */
export function planOf(mirror: string, row: StoredRow): TargetPlan {
  return parse({ mirror, row }, 'plan', plan) as unknown as TargetPlan
}

function parse<T>(
  of: { readonly mirror: string; readonly row: StoredRow },
  column: string,
  shape: z.ZodType<T>,
): T {
  const found = shape.safeParse(jsonOf(of.row[column]))
  if (found.success) return found.data
  const at = found.error.issues[0]?.path.map(String).join('.') ?? ''
  throw new Fault('HF-X108', {
    what: `the state of mirror ${of.mirror} at the target holds ${column} that cannot be read${at === '' ? '' : ` (at ${at})`}`,
    side: 'target',
  })
}

/** Undefined for what is no JSON. */
function jsonOf(text: string | null | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
