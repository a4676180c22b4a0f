import type { CatalogueEntry } from '../fault.ts'

/** Our own process and its state. */
export const processFaults = {
  'HF-X001': {
    title: 'Holdfast itself failed',
    class: 'internal',
    severity: 'critical',
    exit: 1,
    why: 'This is a defect of Holdfast or a situation that it does not know yet.',
    safe: 'Rows and checkpoint commit together, so the target stands at a source commit and nothing is lost.',
    todo: [
      {
        text: 'Start it again; it resumes from the checkpoint. If it comes back, report it with the output of -v.',
        run: 'holdfast run',
      },
    ],
  },
  'HF-X002': {
    title: 'Stopped at once by a second signal',
    class: 'internal',
    severity: 'warn',
    exit: 1,
    why: 'The first signal drains what was read; the second one does not wait for that.',
    safe: 'Nothing is lost: what was not committed at the target is read again from the source.',
    todo: [{ text: 'Start it again when you like.', run: 'holdfast run' }],
  },
} as const satisfies Record<string, CatalogueEntry>
