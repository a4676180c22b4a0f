import { test } from 'node:test'
import { mirrorPgbench } from '../../testkit/pgbench.ts'

for (const [from, to] of [
  [14, 18],
  [18, 14],
] as const) {
  test(`a pgbench database of PostgreSQL ${from} is mirrored to ${to} while it is used`, (t) =>
    mirrorPgbench(t, { from, to, scale: 2, seconds: 5 }))
}
