import type { CatalogueEntry } from '../fault.ts'

/** What the user wrote: configuration, flags, environment. */
export const configFaults = {
  'HF-C101': {
    title: 'No connector for this URL',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'The part of the URL before :// chooses the connector.',
    safe: 'Nothing was started and nothing was changed.',
    todo: [{ text: 'Use postgres://user:password@host:port/database.' }],
  },
} as const satisfies Record<string, CatalogueEntry>
