import type { TestContext } from 'node:test'
import { type MysqlKind, mysqlKinds } from '../../src/demo/fetch/mysql.ts'
import { type ConnectOptions, type ConnectServer, givenConnect, startConnect } from './connect.ts'
import { databaseIn, type TestDatabase } from './database.ts'
import { givenKafka, type KafkaOptions, type KafkaServer, startKafka } from './kafka.ts'
import { givenMongo, type MongoServer, startMongo } from './mongodb.ts'
import { type MongoDatabase, mongoDatabaseIn } from './mongodb-database.ts'
import { givenMysql, type MysqlOptions, type MysqlServer, startMysql } from './mysql.ts'
import { type MysqlDatabase, mysqlDatabaseIn } from './mysql-database.ts'
import { givenServer, type PostgresOptions, type PostgresServer, startServer } from './postgres.ts'
import type { Major } from './programs.ts'
import { givenRegistry, type RegistryServer, startRegistry } from './registry.ts'

export { kafkaUser } from '../../src/demo/fetch/kafka.ts'
export type { MysqlKind } from '../../src/demo/fetch/mysql.ts'
export type { ConnectOptions, ConnectServer } from './connect.ts'
export type { TestDatabase } from './database.ts'
export type { KafkaOptions, KafkaServer } from './kafka.ts'
export type { MongoServer } from './mongodb.ts'
export type { MongoDatabase } from './mongodb-database.ts'
export type { MysqlOptions, MysqlServer } from './mysql.ts'
export type { MysqlDatabase } from './mysql-database.ts'
export { type MysqlSession, openMysql } from './mysql-session.ts'
export type { PostgresOptions, PostgresServer, StopMode } from './postgres.ts'
export { type Major, majors } from './programs.ts'
export type { RegistryServer } from './registry.ts'
export { openSession, type TestSession, type TextRow } from './session.ts'

const shared = new Map<Major, Promise<PostgresServer>>()

/**
 * The server of this major that all tests of this process share, started on first use and stopped
 * when the process ends, however it ends; `HOLDFAST_TEST_PG_<major>` names another one. With
 * options: a server of one's own, stopped when it is disposed or the process ends.
 */
export function postgres(major: Major, options?: PostgresOptions): Promise<PostgresServer> {
  if (options !== undefined) return startServer(major, options)
  const found = shared.get(major) ?? first(major)
  shared.set(major, found)
  return found
}

async function first(major: Major): Promise<PostgresServer> {
  const address = process.env[`HOLDFAST_TEST_PG_${major}`]
  if (address !== undefined && address !== '') return givenServer(major, address)
  return await startServer(major, { shared: true })
}

/**
 * A fresh database, dropped with its slots after the test: in the shared server of a major, or in
 * the given one. `how` is put behind CREATE DATABASE.
 */
export async function database(
  t: TestContext,
  where: Major | PostgresServer,
  options: { readonly name?: string; readonly how?: string } = {},
): Promise<TestDatabase> {
  const server = typeof where === 'number' ? await postgres(where) : where
  return await databaseIn(t, server, options)
}

const givenAddress = process.env['HOLDFAST_TEST_MYSQL_URL'] ?? ''

/** The servers of the MySQL family to run a test on; `given` is that of HOLDFAST_TEST_MYSQL_URL. */
export const mysqlServers: readonly (MysqlKind | 'given')[] =
  givenAddress === '' ? mysqlKinds : [...mysqlKinds, 'given']

/** What is given by `mariadb://…` is one of MariaDB. */
export function isMariadb(kind: MysqlKind | 'given'): boolean {
  return kind === 'given' ? givenAddress.startsWith('mariadb:') : kind.startsWith('mariadb')
}

const sharedMysql = new Map<string, Promise<MysqlServer>>()

/**
 * The server of this kind that all tests of this process share, started on first use and stopped
 * when the process ends, however it ends. With options: a server of one's own, stopped when it is
 * disposed or the process ends.
 */
export function mysql(kind: MysqlKind | 'given', options?: MysqlOptions): Promise<MysqlServer> {
  if (kind === 'given') return Promise.resolve(givenMysql(givenAddress))
  if (options !== undefined) return startMysql(kind, options)
  const found = sharedMysql.get(kind) ?? startMysql(kind, { shared: true })
  sharedMysql.set(kind, found)
  return found
}

/** A fresh database, dropped after the test: in the shared server of a kind, or in the given one. */
export async function mysqlDatabase(
  t: TestContext,
  where: MysqlKind | 'given' | MysqlServer,
): Promise<MysqlDatabase> {
  return await mysqlDatabaseIn(t, typeof where === 'string' ? await mysql(where) : where)
}

let sharedMongo: Promise<MongoServer> | undefined

/**
 * The server of MongoDB's protocol that all tests of this process share: that of
 * HOLDFAST_TEST_MONGODB_URL, else a FerretDB that is started on first use and stopped when the
 * process ends, however it ends.
 */
export function mongo(): Promise<MongoServer> {
  const address = process.env['HOLDFAST_TEST_MONGODB_URL'] ?? ''
  sharedMongo ??=
    address === '' ? startMongo({ shared: true }) : Promise.resolve(givenMongo(address))
  return sharedMongo
}

/** A server of one's own, stopped when it is disposed or the process ends. */
export function ownMongo(): Promise<MongoServer> {
  return startMongo()
}

/** A fresh database, dropped after the test. */
export async function mongoDatabase(t: TestContext, server?: MongoServer): Promise<MongoDatabase> {
  return await mongoDatabaseIn(t, server ?? (await mongo()))
}

let sharedKafka: Promise<KafkaServer> | undefined

/**
 * The broker that all tests of this process share: that of HOLDFAST_TEST_KAFKA_URL, else one that
 * is started on first use and stopped when the process ends, however it ends. Each test has topics
 * and groups of its own names. With options: a broker of one's own, stopped when it is disposed or
 * the process ends.
 */
export function kafka(options?: KafkaOptions): Promise<KafkaServer> {
  if (options !== undefined) return startKafka(options)
  const address = process.env['HOLDFAST_TEST_KAFKA_URL'] ?? ''
  sharedKafka ??=
    address === '' ? startKafka({ shared: true }) : Promise.resolve(givenKafka(address))
  return sharedKafka
}

let sharedConnect: Promise<ConnectServer> | undefined

/**
 * The worker of Kafka Connect that all tests of this process share, on the shared broker: that of
 * HOLDFAST_TEST_CONNECT_URL, else one that is started on first use and stopped when the process
 * ends, however it ends. Each test has connectors of its own names.
 */
export function connect(): Promise<ConnectServer> {
  sharedConnect ??= firstConnect()
  return sharedConnect
}

async function firstConnect(): Promise<ConnectServer> {
  const address = process.env['HOLDFAST_TEST_CONNECT_URL'] ?? ''
  const broker = await kafka()
  return address === ''
    ? await startConnect(broker, { shared: true })
    : givenConnect(broker, address)
}

/** A worker of one's own on a broker, stopped when it is disposed or the process ends. */
export function ownConnect(broker: KafkaServer, options?: ConnectOptions): Promise<ConnectServer> {
  return startConnect(broker, options)
}

let sharedRegistry: Promise<RegistryServer> | undefined

/**
 * The registry of schemas that all tests of this process share: that of HOLDFAST_TEST_REGISTRY_URL,
 * else one that is started on first use and stopped when the process ends, however it ends.
 */
export function registry(): Promise<RegistryServer> {
  const address = process.env['HOLDFAST_TEST_REGISTRY_URL'] ?? ''
  sharedRegistry ??= address === '' ? startRegistry(true) : Promise.resolve(givenRegistry(address))
  return sharedRegistry
}

/** A registry of one's own, stopped when it is disposed or the process ends. */
export function ownRegistry(): Promise<RegistryServer> {
  return startRegistry(false)
}
