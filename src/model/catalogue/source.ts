import type { CatalogueEntry } from '../fault.ts'

export const sourceFaults = {} as const satisfies Record<string, CatalogueEntry>
