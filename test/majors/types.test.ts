import { test } from 'node:test'
import { majors } from '../../testkit/servers/index.ts'
import { everyWay } from '../integration/hard/every-way.ts'

for (const from of majors) {
  for (const to of majors) {
    for (const form of ['pg-binary', 'pg-text', 'values'] as const) {
      test(`every type by every way as ${form}, ${from} to ${to}`, (t) =>
        everyWay(t, { from, to, form }))
    }
  }
}
