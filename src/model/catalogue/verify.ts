import type { CatalogueEntry } from '../fault.ts'

export const verifyFaults = {} as const satisfies Record<string, CatalogueEntry>
