import type { CatalogueEntry } from '../fault.ts'

export const targetFaults = {} as const satisfies Record<string, CatalogueEntry>
