import type { Session } from '../../../dialect/mysql/connect.ts'
import type { Table } from '../../../model/table.ts'
import { BoundTables } from '../../bindings.ts'
import { type Binding, bind, type Expected, findTables } from './columns.ts'

/** The mirrored tables as they stand at the target, looked up once for each version. */
export class Bindings extends BoundTables<Session, Binding> {
  #expected: (table: Table) => Expected = () => ({ others: false, alike: false })

  constructor(collation: string) {
    super(async (session, wanted) => {
      const names = wanted.map(({ place }) => place.name)
      const found = await findTables(session, names)
      return wanted.map(({ table, place }) =>
        bind(table, found.get(place.name), { collation, ...this.#expected(table) }),
      )
    })
  }

  expect(expected: (table: Table) => Expected): void {
    this.#expected = expected
  }
}
