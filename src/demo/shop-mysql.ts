import { createConnection } from 'mysql2/promise'

/**
 * The same shop as in PostgreSQL, in what MySQL and MariaDB have in common: JSON where that has
 * arrays, and no foreign key that acts, since its rows are not in every server's log.
 */
const tables = `
create table customers (
  id bigint unsigned auto_increment primary key,
  email varchar(100) not null unique,
  name varchar(100) not null,
  tags json not null,
  address json not null,
  balance decimal(12, 2) not null default 0,
  notes mediumtext,
  created_at datetime(6) not null default now(6)
);
create table products (
  sku varchar(40) primary key,
  title varchar(100) not null,
  price decimal(10, 2) not null,
  sizes set('S', 'M', 'L', 'XL') not null default '',
  attributes json not null,
  stock int not null default 0,
  updated_at timestamp(3) not null default now(3)
);
create table orders (
  id bigint unsigned auto_increment primary key,
  customer_id bigint unsigned not null,
  status enum('new', 'paid', 'packed', 'shipped', 'cancelled') not null default 'new',
  history json not null,
  total decimal(12, 2) not null default 0,
  placed_at datetime(3) not null default now(3),
  shipped_at datetime(3) null,
  foreign key (customer_id) references customers (id)
);
create table order_items (
  order_id bigint unsigned not null,
  line int not null,
  sku varchar(40) not null,
  quantity int not null,
  price decimal(10, 2) not null,
  amount decimal(12, 2) generated always as (quantity * price) stored,
  primary key (order_id, line),
  key (sku),
  foreign key (order_id) references orders (id)
);
create table payments (
  id char(36) primary key,
  order_id bigint unsigned not null,
  method varchar(20) not null,
  amount decimal(12, 2) not null,
  details json,
  paid_at timestamp(3) not null default now(3),
  foreign key (order_id) references orders (id)
);
create table events (
  id bigint unsigned auto_increment primary key,
  kind varchar(20) not null,
  subject varchar(40),
  payload json not null,
  at datetime(6) not null default now(6)
);
`

const PRODUCTS = 700

/** Numbers from 1 on, as a table in a statement. */
function upTo(count: number): string {
  const digits = Array.from({ length: 10 }, (_, i) => `select ${i} as n`).join(' union all ')
  const places = Array.from({ length: String(count).length }, (_, i) => `(${digits}) d${i}`)
  const sum = places.map((_, i) => `d${i}.n * ${10 ** i}`).join(' + ')
  return `(select 1 + ${sum} as n from ${places.join(', ')} having n <= ${count} order by n)`
}

function rows(customers: number): string {
  const orders = customers * 4
  return `
insert into customers (email, name, tags, address, balance, notes)
select concat('c', n, '@example.com'), concat('Customer ', n),
  case n % 3 when 0 then '["early", "news"]' when 1 then '[]' else '[null, "say hi"]' end,
  json_object('city', concat('Town ', n % 97), 'zip', lpad(n % 9999, 4, '0')),
  round((n % 1000) / 7, 2), if(n % 20 = 0, repeat(sha2(n, 224), 150), null)
from ${upTo(customers)} t;
insert into products (sku, title, price, sizes, attributes, stock)
select concat('P-', n), concat('Product ', n), round(1 + (n % 500) / 3, 2), n % 16,
  json_object('colour', elt(1 + n % 3, 'red', 'green', 'blue'), 'weight', n / 8), 1000
from ${upTo(500)} t;
insert into products (sku, title, price, attributes)
select concat('R-', n), concat('Rarity ', n), 1000 + n, '{}' from ${upTo(200)} t;
insert into orders (id, customer_id, status, history, total)
select n, 1 + n % ${customers}, 'paid', '["new", "paid"]', n % 300 from ${upTo(orders)} t;
insert into order_items (order_id, line, sku, quantity, price)
select o.n, l.n, if((o.n + l.n) % 40 = 0, concat('R-', 1 + o.n % 200),
    concat('P-', 1 + (o.n * 7 + l.n) % 500)),
  1 + (o.n + l.n) % 5, round(1 + (o.n % 500) / 3, 2)
from ${upTo(orders)} o, ${upTo(3)} l;
insert into payments (id, order_id, method, amount, details)
select uuid(), n, elt(1 + n % 3, 'card', 'invoice', 'transfer'), n % 300,
  if(n % 4 > 0, json_object('ref', sha2(n, 224)), null)
from ${upTo(orders)} t;
insert into events (kind, subject, payload)
select elt(1 + n % 3, 'seen', 'clicked', 'searched'), concat('P-', 1 + n % 500),
  json_object('n', n, 'path', json_array('/', '/shop'))
from ${upTo(customers * 6)} t;
`
}

/** Makes the shop in the database of the URL and fills it; returns the number of rows. */
export async function openMysqlShop(url: string, customers: number): Promise<number> {
  const client = await createConnection({ uri: url, multipleStatements: true })
  try {
    await client.query(tables)
    await client.query(rows(customers))
    return customers * (1 + 4 + 12 + 4 + 6) + PRODUCTS
  } finally {
    await client.end()
  }
}
