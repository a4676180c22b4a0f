import { cut, literal, MANY, type Made } from './made.ts'

/** Types of a key. */
const IN_KEY = 4

/** Tables whose key holds several types, each in the forms that it can have there. */
export class Keyed {
  readonly #name: string
  readonly #types: readonly Made[]
  readonly #rows: number

  constructor(name: string, types: readonly Made[]) {
    this.#name = name
    this.#types = types
    this.#rows = Math.max(...types.map(({ keys }) => keys.length))
  }

  #keys(one: Made): readonly (readonly [name: string, type: string, value: string])[] {
    const { label: l, type, ranges } = one
    const v = `w.v_${l}`
    return [
      [`k_${l}`, type, v],
      [`ka_${l}`, `${type}[]`, `array[${v}, null]`],
      [`kd_${l}`, `dom_${l}`, v],
      [`kc_${l}`, `comp_${l}`, `row(${v}, array[${v}, null], ${v})::comp_${l}`],
      ...(ranges ? [[`kr_${l}`, `range_${l}`, `range_${l}(${v}, ${v}, '[]')`] as const] : []),
    ]
  }

  get #all() {
    return this.#types.flatMap((one) => this.#keys(one))
  }

  make(): string {
    const columns = this.#all.map(([key, type]) => `${key} ${type}`)
    const values = Array.from({ length: this.#rows }, (_, i) => {
      const row = this.#types.map(({ keys, values: all, type }) => {
        const value = all[(keys[i % keys.length] ?? 0) - 1] ?? ''
        return `${literal(value)}::${type}`
      })
      return `(${[i + 1, ...row]})`
    })
    const names = this.#types.map(({ label }) => `v_${label}`)
    return `create table ${this.#name} (n int, note text, ${columns},
        primary key (${this.#all.map(([key]) => key)}, n));
      create temp table w_${this.#name} as
        select * from (values ${values}) as s (id, ${names});`
  }

  #fill(first: number, times: number): string {
    return `insert into ${this.#name} select ${first} + w.id + ${this.#rows} * g, 'born',
      ${this.#all.map(([, , value]) => value)}
      from w_${this.#name} w, generate_series(0, ${times - 1}) g;`
  }

  get #times(): number {
    return Math.ceil(MANY / this.#rows)
  }

  copied(): string {
    return `${this.#fill(100, 1)} ${this.#fill(200, 1)} ${this.#fill(300, 1)}
      ${this.#fill(1000, this.#times)} ${this.#fill(3000, this.#times)}`
  }

  few(): string {
    const keys = this.#all.map(([key]) => key)
    return `update ${this.#name} set note = 'found' where n between 101 and 199;
      update ${this.#name} t set (n, ${keys}) = row(t.n + 5000, ${keys.map((key) => `o.${key}`)})
        from ${this.#name} o where t.n between 201 and 299
          and o.n = (t.n - 200) % ${this.#rows} + 101;
      delete from ${this.#name} where n between 301 and 399;`
  }

  many(): string {
    return `update ${this.#name} set note = 'found' where n between 1001 and 1999;
      delete from ${this.#name} where n between 3001 and 3999;`
  }
}

/** Types of one key travel in the same forms. */
export function keyedOf(made: readonly Made[]): readonly Keyed[] {
  return [true, false].flatMap((textOnly) => {
    const sorted = made.filter((one) => one.textOnly === textOnly && one.keys.length > 0)
    return cut(sorted, IN_KEY).map(
      (types, i) => new Keyed(`k_${textOnly ? 'text' : 'any'}${i}`, types),
    )
  })
}
