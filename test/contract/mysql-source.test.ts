import { mysqlServers } from '../../testkit/servers/index.ts'
import { mysqlStand } from './mysql.ts'
import { describeSource } from './source.ts'

for (const kind of mysqlServers) describeSource(kind, (t) => mysqlStand(t, kind))
