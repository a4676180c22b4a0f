import type { CatalogueEntry } from '../fault.ts'

export const dataFaults = {} as const satisfies Record<string, CatalogueEntry>
