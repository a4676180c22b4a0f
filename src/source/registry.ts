import { Fault } from '../model/fault.ts'
import type { Source, SourceOptions } from './source.ts'

/** Connectors by URL scheme, loaded when first used. */
const connectors: Readonly<
  Record<string, () => Promise<(options: SourceOptions) => Promise<Source>>>
> = {
  kafka: async () => (await import('./kafka/index.ts')).openKafkaSource,
  mysql: async () => (await import('./mysql/index.ts')).openMysqlSource,
  postgres: async () => (await import('./postgres/index.ts')).openPostgresSource,
}

export const sourceSchemes: readonly string[] = Object.keys(connectors)

/** Connects; faults at once when the server cannot be reached or entered. */
export async function openSource(options: SourceOptions): Promise<Source> {
  const load = connectors[options.endpoint.scheme]
  if (load === undefined) {
    throw new Fault('HF-C101', {
      what: `there is no source for ${options.endpoint.scheme}:// URLs; known are ${sourceSchemes.join(', ')}`,
    })
  }
  const open = await load()
  const { behind } = options.endpoint
  if (behind === undefined) return open(options)
  return open({ ...options, behind: () => openSource({ ...options, endpoint: behind }) })
}
