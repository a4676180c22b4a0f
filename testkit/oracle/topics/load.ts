import { sleep } from '../../../src/async/clock.ts'
import { eventually } from '../../eventually.ts'
import { openSession, type TestSession } from '../../servers/index.ts'
import type { Random } from '../random.ts'

/** What is made at the source. `v` grows with each change of a row. */
export const schemaSql = `
create schema oracle;
create sequence oracle.versions;
create table oracle.orders (
  id bigint primary key, v bigint not null, customer text, amount numeric(14, 3), paid boolean,
  doc jsonb, at timestamptz, d date, u uuid, b bytea, long text
);
alter table oracle.orders alter column long set storage external;
create table oracle.pairs (a int, b text, v bigint not null, note text, primary key (a, b));
create table oracle.words (w text primary key, v bigint not null, n int, big text);
alter table oracle.words alter column big set storage external;`

/** What each table is called, and what finds its rows. */
export const tables = { orders: ['id'], pairs: ['a', 'b'], words: ['w'] } as const

export interface LoadOptions {
  readonly url: string
  readonly random: Random
  readonly sessions: number
  /** Transactions to begin; and more while `more` says so. */
  readonly transactions: number
  readonly more: () => boolean
  /** Transactions in a second, about. */
  readonly rate: number
}

/** Writes to the source from several sessions, each to rows of its own. */
export class Load {
  readonly #options: LoadOptions
  readonly done: Promise<void>
  committed = 0
  rolledBack = 0
  #begun = 0
  #busy = 0
  #held = false
  ended = false

  constructor(options: LoadOptions) {
    this.#options = options
    const numbers = Array.from({ length: options.sessions }, (_, i) => i)
    this.done = Promise.all(numbers.map((number) => this.#session(number))).then(() => {
      this.ended = true
    })
    this.done.catch(() => undefined)
  }

  /** Nothing is written when this resolves, until `release`. */
  async hold(): Promise<void> {
    this.#held = true
    await eventually('the load stands still', () => this.#busy === 0, { within: 60_000, every: 5 })
  }
  release(): void {
    this.#held = false
  }

  async #session(number: number): Promise<void> {
    const { url, random: all, sessions, transactions, more, rate } = this.#options
    const random = all.fork(`session ${number}`)
    await using session = await openSession(url)
    const author = new Author(random, { number, sessions })
    while (this.#begun < transactions || more()) {
      while (this.#held) await sleep(5)
      this.#begun++
      this.#busy++
      try {
        await this.#transaction(session, random, author)
      } finally {
        this.#busy--
      }
      await sleep(random.below((2000 * sessions) / rate + 1))
    }
  }

  async #transaction(session: TestSession, random: Random, author: Author): Promise<void> {
    const back = random.chance(0.06)
    await session.query('begin')
    for (let i = random.between(1, 5); i > 0; i--) {
      await session.query('savepoint s')
      const undo = random.chance(0.05)
      // A row that is in the way of a new key takes back its own statement.
      await session.query(author.statement()).catch(() => session.query('rollback to s'))
      if (undo) await session.query('rollback to s')
      if (random.chance(0.1)) await sleep(random.below(30))
    }
    await session.query(back ? 'rollback' : 'commit')
    if (back) this.rolledBack++
    else this.committed++
  }
}

const KEYS = 40
const VERSION = `nextval('oracle.versions')`

/** Random statements about the rows of one session. */
class Author {
  readonly #random: Random
  readonly #number: number
  readonly #sessions: number

  constructor(random: Random, of: { readonly number: number; readonly sessions: number }) {
    this.#random = random
    this.#number = of.number
    this.#sessions = of.sessions
  }

  statement(): string {
    const table = this.#random.pick(['orders', 'orders', 'pairs', 'words'] as const)
    const kind = this.#random.weighted({ insert: 4, update: 6, move: 2, delete: 2, many: 1 })
    if (kind === 'insert') return this.#insert(table, this.#key(table))
    const where = this.#where(table, this.#key(table))
    if (kind === 'delete') return `delete from oracle.${table} where ${where}`
    const set = `update oracle.${table} set v = ${VERSION}`
    if (kind === 'update') return `${set}, ${this.#assigns(table)} where ${where}`
    if (kind === 'move') {
      return `${set}, ${this.#where(table, this.#key(table)).replaceAll(' and ', ', ')} where ${where}`
    }
    if (this.#random.chance(0.5)) {
      const mine = `id % ${this.#sessions} = ${this.#number} and id % 7 = ${this.#random.below(7)}`
      return `${set}, amount = amount + 1 where ${mine}`
    }
    const first = this.#random.between(100, 500)
    return `insert into oracle.orders (id, v, customer)
      select i * ${this.#sessions} + ${this.#number}, ${VERSION}, 'many'
      from generate_series(${first}, ${first + this.#random.between(5, 300)}) i
      on conflict (id) do update set v = excluded.v, customer = excluded.customer`
  }

  /** Literals of a key that is this session's. */
  #key(table: keyof typeof tables): readonly string[] {
    const i = this.#random.below(KEYS) * this.#sessions + this.#number
    if (table === 'orders') return [String(i)]
    return table === 'words' ? [`'w${i}'`] : [String(i), `'b${this.#random.below(3)}'`]
  }

  #where(table: keyof typeof tables, key: readonly string[]): string {
    return tables[table].map((name, i) => `${name} = ${key[i]}`).join(' and ')
  }

  #insert(table: keyof typeof tables, key: readonly string[]): string {
    const [names, values] = this.#cells(table)
    const columns = [...tables[table], 'v', ...names].join(', ')
    const set = names.map((name) => `${name} = excluded.${name}`).join(', ')
    return `insert into oracle.${table} (${columns}) values (${[...key, VERSION, ...values].join(', ')})
      on conflict (${tables[table].join(', ')}) do update set v = excluded.v, ${set}`
  }

  #assigns(table: keyof typeof tables): string {
    const [names, values] = this.#cells(table)
    return names.map((name, i) => `${name} = ${values[i]}`).join(', ')
  }

  /** Some columns, and literals for them. */
  #cells(table: keyof typeof tables): readonly [readonly string[], readonly string[]] {
    const random = this.#random
    const text = (): string => `'${random.pick(["it''s", 'Zoë', '🦣', '', random.letters(9)])}'`
    const large = (): string => `repeat('${random.letters(8)}', ${random.pick([1, 300, 2000])})`
    const all: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
      orders: {
        customer: text,
        amount: () => `${random.between(-1e6, 1e6)}.${random.between(100, 999)}`,
        paid: () => random.pick(['true', 'false']),
        doc: () => `'{"n": ${random.below(99)}, "s": "ü"}'`,
        at: () => `'2026-01-0${random.between(1, 9)} 10:00:00.123456+02'`,
        d: () => `'2026-0${random.between(1, 9)}-11'`,
        u: () => `md5('${random.below(1e6)}')::uuid`,
        b: () => `decode(md5('${random.below(1e6)}'), 'hex')`,
        long: large,
      },
      pairs: { note: text },
      words: { n: () => String(random.below(1000)), big: large },
    }
    const of = all[table] ?? {}
    const names = random.some(Object.keys(of), random.between(1, 3))
    const values = names.map((name) => (random.chance(0.1) ? 'null' : (of[name]?.() ?? 'null')))
    return [names, values]
  }
}
