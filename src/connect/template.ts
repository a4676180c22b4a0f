import { createHash } from 'node:crypto'
import type { Endpoint, TlsMode } from '../model/endpoint.ts'
import { Fault } from '../model/fault.ts'
import { type Pattern, parsePattern } from '../source/select.ts'
import type { Settings } from './answers.ts'

/** The databases that Debezium has a connector for and Holdfast a template. */
export const kinds = ['postgres', 'mysql', 'mariadb', 'sqlserver', 'oracle'] as const
export type Kind = (typeof kinds)[number]

/** What a connector is to read, and where to. */
export interface Wanted {
  readonly kind: Kind
  /** Of the connector; its slot, publication and signals are called after it. */
  readonly name: string
  readonly source: Endpoint
  /** Instead of the password: `${env:…}` or `${file:…}` as the worker's providers read it. */
  readonly password: string | null
  /** What topics begin with. */
  readonly prefix: string
  /** Patterns schema.table; none means every table. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** `host:port,…` of the brokers, as the worker reaches them. */
  readonly bootstrap: string
  /** Of each topic that is made; null leaves it to the broker. */
  readonly partitions: number | null
}

/** Milliseconds. */
const HEARTBEAT = 10_000

/**
 * The settings of a connector that tells of everything that happens: truncates too, with types
 * that can be read exactly, a sign of life on quiet days, and no table of its own in the source.
 */
export function templateOf(wanted: Wanted): Settings {
  const { kind, source, password, prefix } = wanted
  const common = {
    'tasks.max': '1',
    'topic.prefix': prefix,
    'database.hostname': source.host,
    'database.port': String(source.port ?? PORTS[kind]),
    ...(source.user === null ? {} : { 'database.user': source.user }),
    ...(password === null ? {} : { 'database.password': password }),
    ...selectionOf(wanted),
    ...EXACT,
    ...topicsOf(wanted),
    ...signalsOf(wanted),
  }
  return { 'connector.class': CLASSES[kind], ...common, ...BY_KIND[kind](wanted) }
}

/** Where signals to a connector are put. */
export function signalTopic(name: string): string {
  return `${name}.signals`
}

const PORTS: Readonly<Record<Kind, number>> = {
  postgres: 5432,
  mysql: 3306,
  mariadb: 3306,
  sqlserver: 1433,
  oracle: 1521,
}

const CLASSES: Readonly<Record<Kind, string>> = {
  postgres: 'io.debezium.connector.postgresql.PostgresConnector',
  mysql: 'io.debezium.connector.mysql.MySqlConnector',
  mariadb: 'io.debezium.connector.mariadb.MariaDbConnector',
  sqlserver: 'io.debezium.connector.sqlserver.SqlServerConnector',
  oracle: 'io.debezium.connector.oracle.OracleConnector',
}

/**
 * Nothing is skipped, nothing rounded, and what cannot be read stops the connector. Schemas go with
 * each record whatever the worker's own converters do.
 */
const EXACT: Settings = {
  'skipped.operations': 'none',
  'tombstones.on.delete': 'true',
  'decimal.handling.mode': 'precise',
  'binary.handling.mode': 'bytes',
  'event.processing.failure.handling.mode': 'fail',
  'errors.tolerance': 'none',
  'snapshot.mode': 'initial',
  'heartbeat.interval.ms': String(HEARTBEAT),
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'key.converter.schemas.enable': 'true',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'true',
}

/** Topics may be made by the connector; their replicas are the broker's choice. */
function topicsOf({ partitions }: Wanted): Settings {
  return {
    'topic.creation.enable': 'true',
    'topic.creation.default.replication.factor': '-1',
    'topic.creation.default.partitions': partitions === null ? '-1' : String(partitions),
    'topic.creation.default.cleanup.policy': 'delete',
  }
}

/** A new snapshot is asked for through a topic, and watermarks are not written to the source. */
function signalsOf({ name, bootstrap }: Wanted): Settings {
  return {
    'signal.enabled.channels': 'kafka',
    'signal.kafka.topic': signalTopic(name),
    'signal.kafka.groupId': `${name}-signals`,
    'signal.kafka.bootstrap.servers': bootstrap,
    // A client that has just started comes to its first record in one look, which takes six else.
    'signal.kafka.poll.timeout.ms': '1000',
  }
}

/** What the connectors that read statements need to remember tables by. */
function historyOf({ name, bootstrap }: Wanted): Settings {
  return {
    'include.schema.changes': 'true',
    'schema.history.internal.kafka.topic': `${name}.tables`,
    'schema.history.internal.kafka.bootstrap.servers': bootstrap,
    'schema.history.internal.store.only.captured.tables.ddl': 'false',
  }
}

const BY_KIND: Readonly<Record<Kind, (wanted: Wanted) => Settings>> = {
  postgres: (wanted) => ({
    'database.dbname': databaseOf(wanted),
    'database.sslmode': wanted.source.tls.mode,
    'plugin.name': 'pgoutput',
    'slot.name': identifier(wanted.name),
    'slot.drop.on.stop': 'false',
    'publication.name': identifier(wanted.name),
    // For all tables would make updates of tables without an identity fail in the application.
    'publication.autocreate.mode': 'filtered',
    // A slot that somebody made anew is behind no offset: it must be noticed.
    'offset.mismatch.strategy': 'trust_offset',
    'read.only': 'true',
    'interval.handling.mode': 'string',
    'include.unknown.datatypes': 'true',
    'provide.transaction.metadata': 'true',
  }),
  mysql: (wanted) => ({
    ...binlog(wanted),
    'database.ssl.mode': MYSQL_TLS[wanted.source.tls.mode],
  }),
  mariadb: (wanted) => ({
    ...binlog(wanted),
    'database.ssl.mode': MARIADB_TLS[wanted.source.tls.mode],
  }),
  sqlserver: (wanted) => ({
    ...historyOf(wanted),
    'database.names': databaseOf(wanted),
    'database.encrypt': String(wanted.source.tls.mode !== 'disable'),
    'provide.transaction.metadata': 'true',
  }),
  oracle: (wanted) => ({
    ...historyOf(wanted),
    'database.dbname': databaseOf(wanted),
    // The connector would else make a table to flush the log by.
    'log.mining.read.only': 'true',
    'provide.transaction.metadata': 'true',
  }),
}

function binlog(wanted: Wanted): Settings {
  const { source, name } = wanted
  return {
    ...historyOf(wanted),
    'database.server.id': serverId(name),
    ...(source.database === null ? {} : { 'database.include.list': literally(source.database) }),
    'bigint.unsigned.handling.mode': 'precise',
    'inconsistent.schema.handling.mode': 'fail',
    // Snapshots that are asked for find their watermarks in the GTIDs.
    'read.only': 'true',
    'provide.transaction.metadata': 'true',
  }
}

const MYSQL_TLS: Readonly<Record<TlsMode, string>> = {
  disable: 'disabled',
  prefer: 'preferred',
  require: 'required',
  'verify-ca': 'verify_ca',
  'verify-full': 'verify_identity',
}

/** There is no `prefer`: TLS is asked for with `trust`, and without it the connection fails. */
const MARIADB_TLS: Readonly<Record<TlsMode, string>> = {
  disable: 'disable',
  prefer: 'disable',
  require: 'trust',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
}

function databaseOf({ source, kind }: Wanted): string {
  if (source.database !== null) return source.database
  throw new Fault('HF-C008', { what: `a connector for ${kind} needs the name of the database` })
}

/** Tables are named by expressions that have to match the whole of schema.table. */
function selectionOf({ include, exclude }: Wanted): Settings {
  if (include.length > 0 && exclude.length > 0) {
    throw new Fault('HF-C016', { what: 'a connector takes patterns to include or to exclude' })
  }
  if (include.length > 0) return { 'table.include.list': expressions(include) }
  return exclude.length > 0 ? { 'table.exclude.list': expressions(exclude) } : {}
}

const naming = {
  fold: (name: string): string => name,
  home: null,
  own: (): boolean => false,
  plain: /^\w+$/,
}

function expressions(patterns: readonly string[]): string {
  return patterns.map((text) => expression(parsePattern(text, naming))).join(',')
}

function expression({ schema, table }: Pattern): string {
  const inner = (part: RegExp): string => part.source.slice(1, -1)
  // The list is cut at commas before anything else.
  return `${inner(schema)}\\.${inner(table)}`.replaceAll(',', '\\,')
}

function literally(name: string): string {
  return name.replaceAll(/[\\^$.*+?()[\]{}|,]/g, '\\$&')
}

/** As slots are called: small letters, digits and underscores. */
function identifier(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, '_')
    .slice(0, 63)
}

/** The same for a name at each time, and hardly that of another replica. */
function serverId(name: string): string {
  return String(100_000 + (createHash('sha256').update(name).digest().readUInt32BE() >>> 2))
}
