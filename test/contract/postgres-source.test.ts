import { postgresStand } from './postgres.ts'
import { describeSource } from './source.ts'

for (const major of [14, 18] as const)
  describeSource(`PostgreSQL ${major}`, (t) => postgresStand(t, major))
