import pg from 'pg'
import { monotonic, sleep } from '../../async/clock.ts'

/** Tables whose every value a connector can tell exactly. */
const TABLES = `
create schema shop;
create table shop.customers (id bigint primary key, name text not null, notes text);
create table shop.orders (
  id bigint primary key, customer bigint not null, status text not null,
  total numeric(12, 2) not null, placed_at timestamptz not null
);
create table shop.payments (
  id uuid primary key, order_id bigint not null, amount numeric(12, 2) not null, details jsonb
);
insert into shop.customers
  select n, 'Customer ' || n, case when n % 20 = 0 then repeat('x', 3000) end
  from generate_series(1, 1000) n;
insert into shop.orders
  select n, 1 + n % 1000, 'paid', n % 300, now() - n * interval '1 minute'
  from generate_series(1, 3000) n;
insert into shop.payments
  select gen_random_uuid(), n, n % 300, jsonb_build_object('ref', md5(n::text))
  from generate_series(1, 3000) n`

export const TABLE_NAMES = ['customers', 'orders', 'payments'] as const
const ROWS = 7000
/** Rows that come into being before the shop begins to sell, when history is loaded. */
const HISTORY = 20_000

const TRANSACTION = `
with given as (select $1::bigint as id), o as (
  insert into shop.orders select id, 1 + id % 1000, 'new', id % 300, now() from given
  returning id, total
), p as (
  insert into shop.payments select gen_random_uuid(), id, total, null from o
), u as (
  update shop.orders set status = 'shipped' where id = (select id - 20 from given)
)
delete from shop.payments where order_id = (select id - 40 from given)`
const ROWS_EACH = 4

/** A shop that sells until it is closed. */
export class PipelineShop implements AsyncDisposable {
  written = 0
  readonly #client: pg.Client
  readonly #other: pg.Client
  readonly #stopped = new AbortController()
  #running: Promise<void> = Promise.resolve()

  private constructor(client: pg.Client, other: pg.Client) {
    this.#client = client
    this.#other = other
  }

  static async open(url: string): Promise<PipelineShop> {
    const client = new pg.Client({ connectionString: url })
    const other = new pg.Client({ connectionString: url })
    await client.connect()
    await other.connect()
    await client.query(TABLES)
    return new PipelineShop(client, other)
  }

  get rows(): number {
    return ROWS
  }

  /** Writes about `rate` rows a second; tells `failed` when it cannot. */
  sell(rate: number, failed: (error: unknown) => void): void {
    const began = monotonic()
    const work = async (): Promise<void> => {
      for (let id = 1_000_000; !this.#stopped.signal.aborted; id++) {
        const ahead = (this.written / rate) * 1000 - (monotonic() - began)
        if (ahead > 0) await sleep(ahead, this.#stopped.signal).catch(() => undefined)
        await this.#client.query(TRANSACTION, [id])
        this.written += ROWS_EACH
      }
    }
    this.#running = work().catch((error) => {
      if (!this.#stopped.signal.aborted) failed(error)
    })
  }

  /** A column that rows of before and of after have. */
  async widen(): Promise<void> {
    await this.#other.query('alter table shop.orders add column channel text')
    await this.#other.query(`update shop.orders set channel = 'web' where id % 7 = 0`)
  }

  /** Old rows come as new ones, while newer ones of the same table change. */
  async loadHistory(): Promise<number> {
    await this.#other.query(
      `insert into shop.orders select -n, 1 + n % 1000, 'archived', n % 300, now() - n * interval '1 hour'
        from generate_series(1, ${HISTORY}) n`,
    )
    await this.#other.query(`update shop.orders set status = 'kept' where id % 11 = 0 and id < 0`)
    return HISTORY
  }

  async close(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
    await this.#client.end()
    await this.#other.end()
  }
}
