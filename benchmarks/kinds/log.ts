import { type LogPlace, logEnd } from '../../testkit/binlog.ts'
import {
  type MysqlServer,
  type MysqlSession,
  mysql,
  openMysql,
} from '../../testkit/servers/index.ts'

/** The database that everything is written to. */
export const DATABASE = 'bench'

/** What a log is made of. */
export type Shape = 'rows' | 'transactions' | 'mixed'

/** A stretch of a log. */
export interface Stretch {
  readonly from: LogPlace
  readonly to: LogPlace
  /** Rows that it changes. */
  readonly changes: number
}

const table = `create table rows_of_log (
  id bigint not null primary key, account int not null, amount decimal(12,2) not null,
  made datetime(3) not null, kind varchar(20) not null, note varchar(200) null
) character set utf8mb4`

const values = `n % 1000, n / 7, '2026-01-02 03:04:05.678', 'transfer', concat('entry number ', n)`

/** A server of MariaDB with the settings of a machine that is meant to work. */
export async function startSource(): Promise<MysqlServer> {
  const server = await mysql('mariadb-10.11', {
    settings: {
      'innodb-buffer-pool-size': '1G',
      'innodb-log-file-size': '512M',
      'max-binlog-size': '1G',
      'sync-binlog': '0',
    },
  })
  await using session = await openMysql(server.url())
  await session.query(`create database ${DATABASE}; use ${DATABASE}; ${table};
    create table marker (id int primary key)`)
  return server
}

/** Makes a stretch of this shape, with about so many changed rows. */
export async function write(server: MysqlServer, shape: Shape, rows: number): Promise<Stretch> {
  await using session = await openMysql(server.url(DATABASE))
  const [last] = await session.query('select coalesce(max(id), 0) as n from rows_of_log')
  const first = Number(last?.['n']) + 1
  const from = await logEnd(server)
  await makers[shape](session, first, rows)
  return { from, to: await logEnd(server), changes: rows }
}

const makers: Readonly<
  Record<Shape, (session: MysqlSession, first: number, rows: number) => Promise<void>>
> = {
  /** Some thousand rows in each statement, and so in large events. */
  async rows(session, first, rows) {
    for (let n = first; n < first + rows; n += 5000) {
      await session.query(`insert into rows_of_log
        select n, ${values} from (select seq as n from seq_${n}_to_${n + 4999}) s`)
    }
  },
  /** One row in each. */
  async transactions(session, first, rows) {
    await repeat(session, { first, rows }, `insert into rows_of_log select n, ${values};`)
  },
  /** Two of three rows are new, one is changed and changed again. */
  async mixed(session, first, rows) {
    const both = `insert into rows_of_log select n, ${values};
      if n % 2 = 0 then update rows_of_log set amount = amount + 1 where id = n - n % 100; end if;`
    await repeat(session, { first, rows: Math.round((rows * 2) / 3) }, both)
  },
}

/** Runs the statements for each number; each is a transaction. */
async function repeat(
  session: MysqlSession,
  { first, rows }: { readonly first: number; readonly rows: number },
  statements: string,
): Promise<void> {
  await session.query(`set autocommit = 1; begin not atomic
    declare n bigint default ${first};
    while n < ${first + rows} do ${statements} set n = n + 1; end while;
  end`)
}
