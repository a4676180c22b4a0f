import type { CatalogueEntry } from '../fault.ts'

export const dataFaults = {
  'HF-D410': {
    title: 'A table changed while its copy was prepared',
    class: 'persistent',
    severity: 'error',
    exit: 1,
    why: 'Somebody altered the table between the look at it and the snapshot.',
    safe: 'No row was copied yet.',
    todo: [{ text: 'Remove what was prepared and start again.', run: 'holdfast destroy' }],
  },
} as const satisfies Record<string, CatalogueEntry>
