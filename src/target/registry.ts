import { Fault } from '../model/fault.ts'
import { RenamedTarget } from './renamed.ts'
import type { Target, TargetOptions } from './target.ts'

/** Connectors by URL scheme, loaded when first used. */
const connectors: Readonly<
  Record<string, () => Promise<(options: TargetOptions) => Promise<Target>>>
> = {
  mongodb: async () => (await import('./mongodb/index.ts')).openMongoTarget,
  mysql: async () => (await import('./mysql/index.ts')).openMysqlTarget,
  postgres: async () => (await import('./postgres/index.ts')).openPostgresTarget,
}

export const targetSchemes: readonly string[] = Object.keys(connectors)

/** Connects; faults at once when the server cannot be reached or entered. */
export async function openTarget(options: TargetOptions): Promise<Target> {
  const load = connectors[options.endpoint.scheme]
  if (load === undefined) {
    throw new Fault('HF-C101', {
      what: `there is no target for ${options.endpoint.scheme}:// URLs; known are ${targetSchemes.join(', ')}`,
    })
  }
  const open = await load()
  return new RenamedTarget(await open(options), options)
}
