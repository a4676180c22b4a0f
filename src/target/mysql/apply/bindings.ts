import type { Session } from '../../../dialect/mysql/connect.ts'
import { BoundTables } from '../../bindings.ts'
import { type Binding, bind, findTables } from './columns.ts'

/** The mirrored tables as they stand at the target, looked up once for each version. */
export class Bindings extends BoundTables<Session, Binding> {
  constructor(collation: string) {
    super(async (session, wanted) => {
      const names = wanted.map(({ place }) => place.name)
      const found = await findTables(session, names)
      return wanted.map(({ table, place }) => bind(table, found.get(place.name), collation))
    })
  }
}
