import type { CatalogueEntry } from '../fault.ts'

export const logFaults = {} as const satisfies Record<string, CatalogueEntry>
