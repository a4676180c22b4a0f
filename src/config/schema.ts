import { z } from 'zod'
import { sourceSchemes } from '../source/registry.ts'
import { targetSchemes } from '../target/registry.ts'
import { kafkaSchema } from './kafka.ts'
import { DURATION, SIZE, WANTED_DURATION } from './units.ts'
import { TLS_MODES } from './url.ts'

/** By which `diagnose` knows what kind of value was wanted. */
export const WANTED_SIZE = 'size'

const duration = z.string().regex(DURATION, WANTED_DURATION)
const size = z.union([z.int().min(0), z.string().regex(SIZE, WANTED_SIZE)], WANTED_SIZE)
const text = z.string().min(1)
const path = z.string().min(1).nullable().default(null)

const ssl = z.strictObject({
  mode: z
    .enum(TLS_MODES)
    .nullable()
    .default(null)
    .describe('TLS with the meaning of libpq; null takes the sslmode of the URL, else prefer.'),
  ca: path.describe('File with the certificates of the authorities to trust (PEM).'),
  cert: path.describe('File with our own certificate (PEM).'),
  key: path.describe('File with the key of our own certificate (PEM).'),
})

function endpoint(schemes: readonly string[], side: string) {
  return {
    type: z
      .enum(schemes)
      .nullable()
      .default(null)
      .describe('The connector; null takes it from the URL.'),
    url: text
      .nullable()
      .default(null)
      .describe(`The ${side} as scheme://user:password@host:port/database.`),
    host: text.nullable().default(null).describe('Host name, address or folder of a socket.'),
    port: z.int().min(1).max(65535).nullable().default(null).describe('Port.'),
    database: text.nullable().default(null).describe('Name of the database.'),
    user: text.nullable().default(null).describe('Role to enter as.'),
    password: text
      .nullable()
      .default(null)
      .describe('Password; better a reference to a variable or a file.'),
    password_file: path.describe('File whose first line is the password.'),
    ssl: ssl.prefault({}),
    await: duration
      .default('0s')
      .describe('How long to go on trying when it cannot be reached at the start.'),
  }
}

const source = z.strictObject({
  ...endpoint(sourceSchemes, 'source'),
  kafka: kafkaSchema.prefault({}),
})

const target = z.strictObject({
  ...endpoint(targetSchemes, 'target'),
  pool: z
    .int()
    .min(3)
    .nullable()
    .default(null)
    .describe(
      'The most connections to keep open; null sets no bound but that of copy.workers. With 3, no ' +
        'rows are written ahead of their turn.',
    ),
  shape: z
    .enum(['mirror', 'history'])
    .default('mirror')
    .describe(
      'What stands at the target: mirror, the rows as they are, or history, each change that ' +
        'was made to them (into MongoDB).',
    ),
  on_existing: z
    .enum(['refuse', 'merge', 'replace'])
    .default('refuse')
    .describe(
      'What to do where a table of the target holds rows already: refuse to start, merge ' +
        '(add and update, never delete), or replace them.',
    ),
})

const patterns = z.array(z.string().min(1))

const tables = z.strictObject({
  include: patterns
    .default([])
    .describe(
      'Patterns schema.table with * for any characters; "quotes" hold a name together. None ' +
        'means every table.',
    ),
  exclude: patterns.default([]).describe('Patterns of tables to leave out.'),
  keyless: z
    .enum(['refuse', 'exclude', 'append'])
    .default('refuse')
    .describe(
      'What becomes of a table without an identity: nothing starts, it is left out, or only ' +
        'its inserts and truncates are followed.',
    ),
  rename: patterns
    .default([])
    .describe(
      'What is called otherwise at the target: schema.table -> name, or -> schema.name, or ' +
        'schema.table.column -> name. In MongoDB a dot in the name of a column nests.',
    ),
})

const copy = z.strictObject({
  workers: z.int().min(1).max(64).default(4).describe('Connections that copy at the same time.'),
})

const catchUp = z.strictObject({
  distance: size
    .nullable()
    .default('32MiB')
    .describe(
      'So much log behind, the source is read in windows through ordinary sessions, which is ' +
        'several times as fast as its stream; null for never.',
    ),
  time: duration
    .default('5s')
    .describe('A running stream is left for windows when it would need longer to catch up.'),
  memory: size
    .default('512MiB')
    .describe('The most memory that decoding and results of windows take at the source.'),
})

const batch = z.strictObject({
  rows: z.int().min(1).default(100_000).describe('Row changes at which a batch is cut.'),
  bytes: size.default('16MiB').describe('Size at which a batch is cut.'),
})

const apply = z.strictObject({
  batch: batch.prefault({}),
  memory: size
    .default('32MiB')
    .describe('A transaction larger than this waits on disk until it is complete.'),
  spill: z
    .string()
    .min(1)
    .default('.holdfast/spill')
    .describe('Folder for such transactions; emptied at the start.'),
  metadata_columns: z
    .boolean()
    .default(false)
    .describe(
      'True adds columns to each table of the target that say of the last change of a row when ' +
        'and where it was committed, what it was and when it came: _cdc_captured_at, _cdc_lsn, ' +
        '_cdc_op and _cdc_received (into PostgreSQL).',
    ),
})

const mirror = z.strictObject({
  name: text.describe('Small letter first, then small letters, digits and _; 40 at most.'),
  autostart: z
    .boolean()
    .default(true)
    .describe('False leaves it out when holdfast run starts all mirrors of the file.'),
  source,
  tables: tables.prefault({}),
  copy: copy.prefault({}),
  catch_up: catchUp.prefault({}),
  apply: apply.prefault({}),
  target,
})

const log = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least to tell.'),
  format: z
    .enum(['auto', 'pretty', 'json'])
    .default('auto')
    .describe('auto is json with --json and pretty without.'),
})

export const configSchema = z.strictObject({
  version: z.literal(1).describe('Version of this format.'),
  log: log.prefault({}),
  mirrors: z.array(mirror).min(1).describe('One entry for each mirror.'),
})

export type Config = z.infer<typeof configSchema>
export type MirrorConfig = Config['mirrors'][number]
export type SideConfig = Omit<MirrorConfig['source'], 'kafka'>

/** What is read of a JSON Schema. */
export interface SchemaNode {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
}

/** The JSON Schema of a configuration file, for editors and for looking up keys. */
export function jsonSchema(): SchemaNode {
  const made = z.toJSONSchema(configSchema, { io: 'input' })
  return { ...made, title: 'holdfast.yaml' } as SchemaNode
}

/** The schema of the place that `path` leads to, or null when there is none. */
export function schemaAt(root: SchemaNode, path: readonly (string | number)[]): SchemaNode | null {
  let node: SchemaNode | null = root
  for (const step of path) {
    const object: SchemaNode | undefined = node.anyOf?.find((n) => n.properties ?? n.items) ?? node
    node = (typeof step === 'number' ? object.items : object.properties?.[step]) ?? null
    if (node === null) return null
  }
  return node
}
