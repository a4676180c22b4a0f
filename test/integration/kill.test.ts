import { assertSameContents } from '../../testkit/contents.ts'
import { database } from '../../testkit/servers/index.ts'
import { describeKills } from './killing.ts'

describeKills('PostgreSQL 18', async (t) => {
  const target = await database(t, 18)
  return {
    url: target.url,
    same: (source) => assertSameContents(source, target),
    events: async () => {
      const [there] = await target.query(`select to_regclass('shop.events') is not null as there`)
      if (there?.there !== 't') return 0
      const [row] = await target.query('select count(*) as n from shop.events')
      return Number(row?.n)
    },
  }
})
