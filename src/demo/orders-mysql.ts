import { type Connection, createConnection, type ResultSetHeader } from 'mysql2/promise'
import type { Clerk, Written } from './load.ts'

/** One transaction of the shop; counts the rows that it changes. */
class Order {
  readonly #client: Connection
  readonly #customers: number
  readonly count = { inserts: 0, updates: 0, deletes: 0 }

  constructor(client: Connection, customers: number) {
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

  async read(sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const [rows] = await this.#client.query(sql, [...values])
    return Array.isArray(rows) ? (rows as Row[]) : []
  }
  /** The number that the server gave to the first row. */
  async insert(sql: string, values: readonly unknown[]): Promise<number> {
    const done = await this.#write(sql, values)
    this.count.inserts += done.affectedRows
    return done.insertId
  }
  async update(sql: string, values: readonly unknown[]): Promise<void> {
    // A row that was set to what it held is not in the log.
    this.count.updates += (await this.#write(sql, values)).changedRows
  }
  async delete(sql: string, values: readonly unknown[]): Promise<void> {
    this.count.deletes += (await this.#write(sql, values)).affectedRows
  }
  /** Does `work` and takes it back, as an application does that changes its mind. */
  async inVain(work: () => Promise<void>): Promise<void> {
    const before = { ...this.count }
    await this.#client.query('savepoint doubt')
    await work()
    await this.#client.query('rollback to savepoint doubt')
    Object.assign(this.count, before)
  }

  async #write(sql: string, values: readonly unknown[]): Promise<Done> {
    const [done] = await this.#client.query<ResultSetHeader>(sql, [...values])
    const changed = /Changed: (\d+)/.exec(done.info ?? '')?.[1]
    const { affectedRows, insertId } = done
    return { affectedRows, insertId, changedRows: Number(changed ?? affectedRows) }
  }
}

type Row = Readonly<Record<string, unknown>>

interface Done {
  readonly affectedRows: number
  readonly changedRows: number
  readonly insertId: number
}

const pick = (below: number): number => Math.floor(Math.random() * below)
const sku = (): string => (pick(30) === 0 ? `R-${1 + pick(200)}` : `P-${1 + pick(500)}`)

/** The number that was asked for, or the next one that still exists. */
async function found(order: Order, table: 'orders' | 'products', from: unknown): Promise<unknown> {
  const key = table === 'orders' ? 'id' : 'sku'
  const [row] = await order.read(
    `select ${key} from ${table} where ${key} >= ? order by ${key} limit 1`,
    [from],
  )
  return row?.[key] ?? null
}

async function placeOrder(order: Order): Promise<void> {
  const id = await order.insert(
    'insert into orders (customer_id, total, history) values (?, ?, ?)',
    [order.customer(), pick(30_000) / 100, '["new"]'],
  )
  for (let line = 1; line <= 1 + pick(4); line++) {
    await order.insert(
      `insert into order_items (order_id, line, sku, quantity, price)
       select ?, ?, sku, ?, price from products where sku = ?`,
      [id, line, 1 + pick(5), await found(order, 'products', sku())],
    )
  }
  await order.insert('insert into events (kind, subject, payload) values (?, ?, ?)', [
    'ordered',
    String(id),
    '{}',
  ])
}

async function newCustomer(order: Order): Promise<void> {
  await order.insert(
    `insert into customers (email, name, tags, address, notes)
     values (concat(uuid(), '@example.com'), ?, ?, ?, repeat(sha2(rand(), 224), ?))`,
    [`Zoë ${pick(1e6)} 🛒`, '["new", null]', `{"city": "Town ${pick(97)}"}`, pick(200)],
  )
  await order.insert('insert into events (kind, payload) values (?, ?)', [
    'joined',
    JSON.stringify({ from: ['web', 'app'][pick(2)], depth: { score: pick(1000) / 8 } }),
  ])
}

async function pay(order: Order): Promise<void> {
  const id = await found(order, 'orders', order.order())
  await order.insert(
    `insert into payments (id, order_id, method, amount)
     select uuid(), id, 'card', total from orders where id = ? for update`,
    [id],
  )
  await order.update(
    `update orders set status = 'paid', history = json_array_append(history, '$', 'paid')
     where id = ?`,
    [id],
  )
}

async function ship(order: Order): Promise<void> {
  await order.update(
    `update orders set status = 'shipped', shipped_at = now(3),
       history = json_array_append(history, '$', 'shipped') where id = ?`,
    [await found(order, 'orders', order.order())],
  )
}

async function changeCustomer(order: Order): Promise<void> {
  await order.update(
    `update customers set balance = balance + ?, tags = json_array_append(tags, '$', 'seen'),
       address = json_set(address, '$.moved', cast(now() as char)) where id = ?`,
    [pick(1000) / 100, order.customer()],
  )
  await order.update(`update customers set email = concat(uuid(), '@example.org') where id = ?`, [
    order.customer(),
  ])
}

async function restock(order: Order): Promise<void> {
  await order.update('update products set stock = stock + 10, updated_at = now(3) where sku = ?', [
    await found(order, 'products', sku()),
  ])
}

/** A key changes, and with it the lines of its orders. */
async function renameProduct(order: Order): Promise<void> {
  const from = await found(order, 'products', `R-${1 + pick(200)}`)
  const to = `${String(from).slice(0, 8)}.${pick(1e6)}`
  await order.update('update products set sku = ?, price = price + 0.01 where sku = ?', [to, from])
  await order.update('update order_items set sku = ? where sku = ?', [to, from])
}

async function forgetOrder(order: Order): Promise<void> {
  const id = await found(order, 'orders', order.order())
  await order.delete('delete from payments where order_id = ?', [id])
  await order.delete('delete from order_items where order_id = ?', [id])
  await order.delete('delete from orders where id = ?', [id])
}

async function forgetEvents(order: Order): Promise<void> {
  await order.delete('delete from events where id >= ? order by id limit 3', [order.order()])
}

async function doubt(order: Order): Promise<void> {
  await order.inVain(() => placeOrder(order))
  await order.insert('insert into events (kind, payload) values (?, ?)', ['doubted', '{}'])
}

type Work = (order: Order) => Promise<void>

const works: Readonly<Record<keyof Written, readonly Work[]>> = {
  inserts: [placeOrder, placeOrder, placeOrder, newCustomer, doubt],
  updates: [pay, ship, changeCustomer, changeCustomer, restock, renameProduct],
  deletes: [forgetOrder, forgetEvents],
}

/** Refused because another session was in the way: a lock, a key, a foreign key. */
const inTheWay = new Set([1205, 1213, 1062, 1451, 1452, 1020])

/** A connection to a shop in MySQL or MariaDB. */
export async function mysqlClerk(url: string, customers: number): Promise<Clerk> {
  const client = await createConnection(url)
  client.on('error', () => {})
  return {
    work: (kind) => transact(client, customers, kind),
    close: () => client.end().catch(() => {}),
  }
}

async function transact(
  client: Connection,
  customers: number,
  kind: keyof Written,
): Promise<Written | null> {
  const choices = works[kind]
  const work = choices[pick(choices.length)]
  if (work === undefined) return null
  const order = new Order(client, customers)
  await order.read('begin')
  try {
    await work(order)
    await order.read('commit')
  } catch (error) {
    await order.read('rollback')
    if (error instanceof Error && 'errno' in error && inTheWay.has(Number(error.errno))) return null
    throw error
  }
  return order.count
}
