import pg from 'pg'
import type { Clerk, Written } from './load.ts'

/** One transaction of the shop; counts the rows that it changes. */
class Order {
  readonly #client: pg.Client
  readonly #customers: number
  readonly count = { inserts: 0, updates: 0, deletes: 0 }

  constructor(client: pg.Client, customers: number) {
    this.#client = client
    this.#customers = customers
  }

  /** One of those that were there at the start. */
  customer(): number {
    return 1 + pick(this.#customers)
  }
  /** One of those that were there at the start, or of the first ones after them. */
  order(): number {
    return 1 + pick(this.#customers * 5)
  }

  read(sql: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
    return this.#client.query(sql, [...values])
  }
  async insert(sql: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    const result = await this.#client.query(sql, [...values])
    this.count.inserts += result.rowCount ?? 0
    return result
  }
  async update(sql: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    const result = await this.#client.query(sql, [...values])
    this.count.updates += result.rowCount ?? 0
    return result
  }
  async delete(sql: string, values: readonly unknown[]): Promise<void> {
    const result = await this.#client.query(sql, [...values])
    this.count.deletes += result.rowCount ?? 0
  }
  /** Does `work` and takes it back, as an application does that changes its mind. */
  async inVain(work: () => Promise<void>): Promise<void> {
    const before = { ...this.count }
    await this.#client.query('savepoint doubt')
    await work()
    await this.#client.query('rollback to savepoint doubt')
    Object.assign(this.count, before)
  }
}

const pick = (below: number): number => Math.floor(Math.random() * below)

/** The order with this number, or the next one that still exists. */
const someOrder = '(select id from shop.orders where id >= $1 order by id limit 1)'
const someProduct = '(select sku from shop.products where sku >= $1 order by sku limit 1)'
const sku = (): string => (pick(30) === 0 ? `R-${1 + pick(200)}` : `P-${1 + pick(500)}`)

async function placeOrder(order: Order): Promise<void> {
  const made = await order.insert(
    'insert into shop.orders (customer_id, total) values ($1, $2) returning id',
    [order.customer(), pick(30_000) / 100],
  )
  const id = Number(made.rows[0].id)
  for (let line = 1; line <= 1 + pick(4); line++) {
    await order.insert(
      `insert into shop.order_items (order_id, line, sku, quantity, price)
       select $2, $3, sku, $4, price from shop.products where sku = ${someProduct}`,
      [sku(), id, line, 1 + pick(5)],
    )
  }
  await order.insert('insert into shop.events (kind, subject) values ($1, $2)', ['ordered', id])
}

async function newCustomer(order: Order): Promise<void> {
  await order.insert(
    `insert into shop.customers (email, name, tags, address, notes)
     values (gen_random_uuid() || '@example.com', $1, $2, $3, repeat(md5(random()::text), $4))`,
    [`Zoë ${pick(1e6)} 🛒`, ['new', null], { city: `Town ${pick(97)}` }, pick(200)],
  )
  await order.insert('insert into shop.events (kind, payload) values ($1, $2)', [
    'joined',
    { from: ['web', 'app'][pick(2)], depth: { score: Math.random() } },
  ])
}

async function pay(order: Order): Promise<void> {
  const id = order.order()
  await order.insert(
    `insert into shop.payments (order_id, method, amount)
     select id, 'card', total from shop.orders where id = ${someOrder} for update`,
    [id],
  )
  await order.update(
    `update shop.orders set status = 'paid', history = history || 'paid'::shop.order_status
     where id = ${someOrder}`,
    [id],
  )
}

async function ship(order: Order): Promise<void> {
  await order.update(
    `update shop.orders set status = 'shipped', shipped_at = now(),
       history = history || 'shipped'::shop.order_status
     where id = ${someOrder}`,
    [order.order()],
  )
}

async function changeCustomer(order: Order): Promise<void> {
  await order.update(
    `update shop.customers set balance = balance + $2, tags = tags || $3::text,
       address = address || jsonb_build_object('moved', now())
     where id = $1`,
    [order.customer(), pick(1000) / 100, 'seen'],
  )
  await order.update('update shop.customers set email = gen_random_uuid() || $2 where id = $1', [
    order.customer(),
    '@example.org',
  ])
}

async function restock(order: Order): Promise<void> {
  await order.update(
    `update shop.products set stock = stock + 10, updated_at = now() where sku = ${someProduct}`,
    [sku()],
  )
}

/** A key changes; the shop's own foreign key carries it into the lines of its orders. */
async function renameProduct(order: Order): Promise<void> {
  const renamed = await order.update(
    `update shop.products set sku = left(sku, 8) || $2, price = price + 0.01
     where sku = ${someProduct} returning sku`,
    [`R-${1 + pick(200)}`, `.${pick(1e6)}`],
  )
  const lines = await order.read('select count(*) from shop.order_items where sku = $1', [
    renamed.rows[0]?.sku,
  ])
  order.count.updates += Number(lines.rows[0].count)
}

async function forgetOrder(order: Order): Promise<void> {
  const found = await order.read(`select id from shop.orders where id = ${someOrder} for update`, [
    order.order(),
  ])
  const id = found.rows.map((row) => row.id)
  await order.delete('delete from shop.payments where order_id = any($1)', [id])
  await order.delete('delete from shop.order_items where order_id = any($1)', [id])
  await order.delete('delete from shop.orders where id = any($1)', [id])
}

async function forgetEvents(order: Order): Promise<void> {
  await order.delete(
    `delete from shop.events where id in
       (select id from shop.events where id >= $1 order by id limit 3)`,
    [order.order()],
  )
}

async function doubt(order: Order): Promise<void> {
  await order.inVain(() => placeOrder(order))
  await order.insert('insert into shop.events (kind) values ($1)', ['doubted'])
}

type Work = (order: Order) => Promise<void>

const works: Readonly<Record<keyof Written, readonly Work[]>> = {
  inserts: [placeOrder, placeOrder, placeOrder, newCustomer, doubt],
  updates: [pay, ship, changeCustomer, changeCustomer, restock, renameProduct],
  deletes: [forgetOrder, forgetEvents],
}

/** Refused because another session was in the way, which a busy shop shrugs off. */
const inTheWay = new Set(['40P01', '40001', '23505', '23503'])

/** A connection to a shop in PostgreSQL. */
export async function postgresClerk(url: string, customers: number): Promise<Clerk> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return {
    work: (kind) => transact(new Order(client, customers), kind),
    close: () => client.end(),
  }
}

async function transact(order: Order, kind: keyof Written): Promise<Written | null> {
  const choices = works[kind]
  const work = choices[pick(choices.length)]
  if (work === undefined) return null
  await order.read('begin')
  try {
    await work(order)
    await order.read('commit')
  } catch (error) {
    await order.read('rollback')
    if (error instanceof pg.DatabaseError && inTheWay.has(error.code ?? '')) return null
    throw error
  }
  return order.count
}
