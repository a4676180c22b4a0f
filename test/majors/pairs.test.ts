import { test } from 'node:test'
import { mirrorPgbench } from '../../testkit/pgbench.ts'
import { majors } from '../../testkit/servers/index.ts'

for (const from of majors) {
  for (const to of majors) {
    if (from === to) continue
    test(`a pgbench database of PostgreSQL ${from} is mirrored to ${to}`, (t) =>
      mirrorPgbench(t, { from, to, scale: 10, seconds: 30 }))
  }
}
