import type { MysqlKind } from '../servers/index.ts'

/**
 * What is done on a server so that its log holds each kind of event that it can write. A scene
 * that needs settings is run on a session of its own.
 */
interface Scene {
  readonly on: RegExp
  readonly sql: readonly string[]
}

const xa = `x'67',x'62',1`

const scenes: readonly Scene[] = [
  {
    on: /./,
    sql: [
      'create database traces character set utf8mb4',
      'use traces',
      `create table n (id int unsigned primary key auto_increment, t tinyint, s smallint unsigned,
       m mediumint, b bigint unsigned, d decimal(20,5), f float, g double, y year, q bit(10))`,
      `create table t (id int primary key, d date, t time(6), dt datetime(3), ts timestamp(6) null,
       c char(4), v varchar(300) character set latin1, w varbinary(4), x binary(4), tx text,
       bl blob, e enum('a','b'), st set('p','q'), g geometry)`,
      `insert into n values (1,-1,65535,-8388608,18446744073709551615,-12345.67890,1.5,1e300,2024,b'1010101010'),
       (2,null,null,null,null,null,null,null,null,null)`,
      `insert into t values (1,'2024-02-29','-838:59:59.000000','2024-02-29 01:02:03.456',
       '2024-02-29 01:02:03.456789','ab','é€',0x0102,0x01,'text 😀',0x00ff,'b','p,q',
       st_geomfromtext('POINT(1 2)'))`,
      `begin; update n set t = t + 1, d = 0 where id = 1; savepoint one; delete from n where id = 2; commit`,
      `update n, t set n.y = 2025, t.c = 'z' where n.id = t.id`,
      'truncate table n',
      'alter table n add column extra varchar(3)',
      `set binlog_row_image = 'MINIMAL'`,
      `insert into n (id) values (7)`,
      `update n set extra = 'abc' where id = 7`,
      `delete from n where id = 7`,
      `set binlog_row_image = 'FULL'`,
      'create table m (id int) engine = MyISAM',
      'insert into m values (1)',
      `set session binlog_format = 'STATEMENT'`,
      `set @v = 'user variable'`,
      `insert into n (extra) values (left(@v, 3))`,
      `insert into n (f) values (rand())`,
      `set session binlog_format = 'ROW'`,
      'flush logs',
    ],
  },
  {
    on: /mysql-9|mariadb/,
    sql: [
      `xa start ${xa}; insert into n (id) values (100); xa end ${xa}`,
      `xa prepare ${xa}`,
      `xa commit ${xa}`,
      `xa start ${xa}; insert into n (id) values (101); xa end ${xa}`,
      `xa prepare ${xa}`,
      `xa rollback ${xa}`,
    ],
  },
  {
    on: /mysql-9/,
    sql: [
      'set binlog_rows_query_log_events = on',
      'create table j (id int primary key, j json, v vector(2), i int invisible)',
      `insert into j (id, j, v) values (1, '{"a": [1, 2.5, "x"], "b": {"c": null}}', string_to_vector('[1,2]'))`,
      `set binlog_row_value_options = 'PARTIAL_JSON'`,
      `update j set j = json_set(json_remove(j, '$.b.c'), '$.a[0]', 'changed')`,
      `set binlog_row_value_options = ''`,
      `set gtid_next = 'automatic:tagged'`,
      `insert into n (id) values (200)`,
      `set gtid_next = 'automatic'`,
      `set binlog_transaction_compression = on`,
      `begin; insert into n (id, extra) values (300, 'x'); update n set extra = 'y' where id = 300; commit`,
      `set binlog_transaction_compression = off`,
      `set session sql_require_primary_key = off`,
    ],
  },
  {
    on: /mariadb/,
    sql: [
      'create table u (a uuid, b inet6, c varchar(200) compressed, d longtext compressed)',
      `insert into u values ('123e4567-e89b-12d3-a456-426655440000', '2001:db8::1', repeat('c', 200), repeat('d', 900))`,
      'set gtid_domain_id = 5',
      'insert into n (id) values (400)',
      'set gtid_domain_id = 0',
      'set global log_bin_compress = on, global log_bin_compress_min_len = 10',
    ],
  },
  {
    on: /mariadb/,
    sql: [
      `insert into n (id, extra) values (500, 'zzz')`,
      `update n set extra = 'yyy' where id = 500`,
      `delete from n where id = 500`,
      `alter table n comment '${'a long statement '.repeat(10)}'`,
      'set global log_bin_compress = off',
    ],
  },
  { on: /5\.6/, sql: ['set global log_bin_use_v1_row_events = on'] },
  {
    on: /5\.6/,
    sql: [
      `insert into n (id) values (600)`,
      `update n set t = 1 where id = 600`,
      `delete from n where id = 600`,
    ],
  },
]

/** The statements of a kind of server, by session. */
export function scenesOf(kind: MysqlKind): readonly (readonly string[])[] {
  return scenes.filter(({ on }) => on.test(kind)).map(({ sql }) => sql)
}
