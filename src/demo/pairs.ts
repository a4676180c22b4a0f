export type DemoKind = 'postgres' | 'mysql' | 'mariadb' | 'mongodb'

/** Two servers that the demo can be played on. */
export interface DemoPair {
  readonly name: string
  readonly source: DemoKind
  readonly target: DemoKind
  /** What stands between them. */
  readonly through?: 'kafka'
  /** All in words. */
  readonly title: string
}

/** The first is played unless another one is named. */
export const demoPairs = [
  {
    name: 'postgres-postgres',
    source: 'postgres',
    target: 'postgres',
    title: 'two PostgreSQL servers',
  },
  {
    name: 'mysql-mongodb',
    source: 'mysql',
    target: 'mongodb',
    title: 'MySQL, FerretDB (which speaks MongoDB’s protocol)',
  },
  {
    name: 'mariadb-mongodb',
    source: 'mariadb',
    target: 'mongodb',
    title: 'MariaDB, FerretDB (which speaks MongoDB’s protocol)',
  },
  { name: 'mysql-postgres', source: 'mysql', target: 'postgres', title: 'MySQL, PostgreSQL' },
  { name: 'mariadb-postgres', source: 'mariadb', target: 'postgres', title: 'MariaDB, PostgreSQL' },
  {
    name: 'postgres-mongodb',
    source: 'postgres',
    target: 'mongodb',
    title: 'PostgreSQL, FerretDB (which speaks MongoDB’s protocol)',
  },
  {
    name: 'kafka',
    source: 'postgres',
    target: 'postgres',
    through: 'kafka',
    title: 'PostgreSQL, Debezium, Kafka, PostgreSQL',
  },
] as const satisfies readonly DemoPair[]

/** What is fetched for a server where it is not there yet. */
export const FETCHED: Readonly<Record<DemoKind | 'kafka', string>> = {
  postgres: '',
  mysql: 'MySQL 9 from Debian, 240 MB on disk',
  mariadb: 'MariaDB 10.11 from Debian, 60 MB on disk',
  kafka: 'Kafka 4.3 and Debezium 3.6 from Maven Central (with Java 17 and Maven), 120 MB on disk',
  mongodb:
    'FerretDB 2 built with Go, and PostgreSQL 18 with DocumentDB from Debian, 450 MB on disk',
}
