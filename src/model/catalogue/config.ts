import type { CatalogueEntry } from './entry.ts'
import { MAKE_AGAIN } from './parts.ts'

const base = {
  class: 'config',
  severity: 'error',
  exit: 2,
  safe: 'Nothing was started and nothing was changed.',
} as const

/** What the user wrote: configuration, flags, environment. */
export const configFaults = {
  'HF-C001': {
    ...base,
    title: 'The configuration file cannot be read',
    why: 'The file is not there, or this user may not read it.',
    todo: [
      { text: 'Check the path given with --config or HOLDFAST_CONFIG.' },
      { text: 'Or write a new file.', run: 'holdfast init --source URL --target URL' },
    ],
  },
  'HF-C002': {
    ...base,
    title: 'The configuration file is not YAML',
    why: 'Indentation, a quote or a bracket is not where YAML wants it.',
    todo: [{ text: 'Mend the line.', run: 'holdfast config validate' }],
  },
  'HF-C003': {
    ...base,
    title: 'Unknown key',
    why: 'A key that nobody reads would be a wish that is silently ignored.',
    todo: [{ text: 'See what keys there are.', run: 'holdfast config schema' }],
  },
  'HF-C004': {
    ...base,
    title: 'A value that is not allowed here',
    why: 'The value has another type, or is none of those that are known.',
    todo: [{ text: 'See what is allowed.', run: 'holdfast config schema' }],
  },
  'HF-C005': {
    ...base,
    title: 'Not a duration or a size',
    why: 'Durations and sizes are written with their unit, so that nobody has to guess it.',
    todo: [
      { text: 'Write a duration as 500ms, 30s, 5m, 12h or 7d, and a size as 64KiB or 16MiB.' },
    ],
  },
  'HF-C006': {
    ...base,
    title: 'The mirror is enabled but its settings are incomplete',
    why: 'An empty value counts as not set; container tools often pass empty values.',
    todo: [{ text: 'Set what is missing, or set DATABASE_MIRROR_ENABLED=false.' }],
  },
  'HF-C007': {
    ...base,
    title: 'A variable or file that the configuration refers to is not there',
    why: 'A reference that is silently empty would become a wrong address or password.',
    todo: [
      { text: 'Set the variable, or write a default after its name and :- in the reference.' },
    ],
  },
  'HF-C008': {
    ...base,
    title: 'A required key is missing',
    why: 'A mirror needs a name, a source and a target.',
    todo: [{ text: 'Add the key.', run: 'holdfast config schema' }],
  },
  'HF-C010': {
    ...base,
    title: 'Unknown command',
    why: 'The first word chooses what holdfast does.',
    todo: [{ text: 'See what there is.', run: 'holdfast --help' }],
  },
  'HF-C011': {
    ...base,
    title: 'Unknown flag',
    why: 'A flag that nobody reads would be a wish that is silently ignored.',
    todo: [{ text: 'See the flags of the command.', run: 'holdfast help COMMAND' }],
  },
  'HF-C012': {
    ...base,
    title: 'A flag or argument is not used rightly',
    why: 'Its value is missing, not allowed, or there is one too many.',
    todo: [{ text: 'See how it is used.', run: 'holdfast help COMMAND' }],
  },
  'HF-C013': {
    ...base,
    title: 'There is nothing to mirror yet',
    why: 'Neither flags, nor a configuration file, nor the environment name a source and a target.',
    todo: [
      { text: 'Name both ends.', run: 'holdfast run --source URL --target URL' },
      { text: 'Or write a file.', run: 'holdfast init --source URL --target URL' },
      {
        text: 'Or set DATABASE_MIRROR_ENABLED=true, MIRROR_DB_HOST and the others.',
        run: 'holdfast config env',
      },
    ],
  },
  'HF-C014': {
    ...base,
    title: 'Which mirror is meant is not clear',
    why: 'The configuration has several mirrors, or none of that name.',
    todo: [{ text: 'Name it with --name.', run: 'holdfast config show' }],
  },
  'HF-C015': {
    ...base,
    title: 'Not a name for a mirror',
    why: 'The name becomes part of a slot and a publication: a small letter first, then small letters, digits and _, 40 at most.',
    todo: [{ text: 'Choose a name such as shop or crm_eu.' }],
  },
  'HF-C016': {
    ...base,
    title: 'Settings that contradict each other',
    why: 'Only one of them could be followed.',
    todo: [{ text: 'Keep one of them.', run: 'holdfast config validate' }],
  },
  'HF-C101': {
    ...base,
    title: 'No connector for this URL',
    why: 'The part of the URL before :// chooses the connector.',
    todo: [{ text: 'Use postgres://user:password@host:port/database.' }],
  },
  'HF-C102': {
    ...base,
    title: 'The URL cannot be read',
    why: 'Characters with a meaning in URLs must be percent-encoded inside a name or a password: / is %2F, ? is %3F, # is %23, @ is %40, % is %25.',
    todo: [{ text: 'Use scheme://user:password@host:port/database.' }],
  },
  'HF-C103': {
    ...base,
    title: 'Unknown parameter in the URL',
    why: 'A parameter that nobody reads would be a wish that is silently ignored.',
    todo: [{ text: 'Remove it from the URL.' }],
  },
  'HF-C104': {
    ...base,
    title: 'A pattern that cannot be read',
    why: 'Patterns are schema.table with * for any characters; a name with special characters stands in double quotes.',
    todo: [{ text: 'Write it as public.orders, shop.* or "My Schema"."My Table".' }],
  },
  'HF-C105': {
    ...base,
    title: 'No table that matches',
    why: 'A pattern without a table would be a table that is silently not mirrored. Names are folded to lower case unless they stand in double quotes, and a pattern without a dot means a table in public.',
    todo: [{ text: 'See what is there and correct the pattern.', run: 'holdfast discover' }],
  },
  'HF-C114': {
    ...base,
    title: 'A new name that cannot be given',
    why: 'A renaming that is passed over would be rows under a name that nobody looks at. It is written schema.table -> name, schema.table -> schema.name or schema.table.column -> name, with the letters of the source; double quotes hold a name with dots or spaces together.',
    todo: [{ text: 'See how tables and columns are called.', run: 'holdfast discover' }],
  },
  'HF-C110': {
    title: 'Source and target are the same database',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'Both URLs lead to one database, maybe under two names.',
    safe: 'Nothing was started and nothing was changed.',
    todo: [{ text: 'Name another database as the target.' }],
  },
  'HF-C111': {
    title: 'The mirror was set up with other settings',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'The selection of tables and the treatment of existing rows are fixed when a mirror begins; another selection is another mirror.',
    safe: 'The mirror and its checkpoint are as they were.',
    todo: [
      { text: 'Leave these flags out to go on with what it was set up with.', run: 'holdfast run' },
      { text: 'Or begin another mirror.', run: 'holdfast run --name OTHER …' },
    ],
  },
  'HF-C113': {
    title: 'Two mirrors would feed each other',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'The source of this mirror is the target of another one that comes from here: every change would go round without an end.',
    safe: 'Nothing was started and nothing was changed.',
    todo: [
      {
        text: 'Mirror other tables in this direction.',
        run: "holdfast run --exclude 'schema.table'",
      },
      { text: 'Or give the other mirror up first.', run: 'holdfast destroy' },
    ],
  },
  'HF-C116': {
    title: 'A mirror that several processes cannot share',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'Processes share a mirror by the partitions of topics, and the target has to take rows and places from each of them in one transaction: from Kafka to PostgreSQL. It runs until it is stopped.',
    safe: 'Nothing was started and nothing was changed.',
    todo: [{ text: 'Leave --share out: one process follows everything.', run: 'holdfast run' }],
  },
  'HF-C117': {
    title: 'Tables that nobody can tell anew',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'resync-tables asks the connector that fills the topics of a source. A database is read itself.',
    safe: 'Nothing was asked for and nothing was changed.',
    todo: [
      { text: 'See whether rows differ at all.', run: 'holdfast verify' },
      {
        text: 'Give the mirror up, and copy all tables anew.',
        run: MAKE_AGAIN,
      },
    ],
  },
  'HF-C112': {
    title: 'No such mirror',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'Neither the source nor the target keeps anything under this name.',
    safe: 'Nothing was changed.',
    todo: [{ text: 'See which mirrors the target knows.', run: 'holdfast status --target URL' }],
  },
} as const satisfies Record<string, CatalogueEntry>
