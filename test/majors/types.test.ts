import { test } from 'node:test'
import { majors } from '../../testkit/servers/index.ts'
import { everyWay } from '../integration/hard/every-way.ts'

for (const from of majors) {
  for (const to of majors) {
    test(`every type of ${from} by every way to ${to}`, (t) =>
      everyWay(t, {
        from,
        ways: (['pg-binary', 'pg-text', 'values'] as const).map((form) => ({ to, form })),
      }))
  }
}
