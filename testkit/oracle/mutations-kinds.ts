import type { Mutation } from './mutations.ts'

/** Engines that are broken between servers of different kinds. */
export const kindsMutations: readonly Mutation[] = [
  {
    name: 'counts a row without a key again after a kill',
    by: { pair: 'mysql:mongodb' },
    edits: [
      {
        path: 'src/target/mongodb/tallies.ts',
        find: 'known === null || stamp > known.at',
        put: "stamp !== ''",
      },
    ],
  },
  {
    name: 'tells a change again under another name after a kill',
    by: { pair: 'mysql:mongodb-history' },
    edits: [
      {
        path: 'src/target/mongodb/history.ts',
        find: 'stamp, id = stamp } = origin',
        put: 'stamp } = origin\n    const id = (origin.id ?? stamp) + process.pid',
      },
    ],
  },
  {
    name: 'takes what an image of a row leaves out for null',
    by: {
      file: 'test/integration/hard/mysql-stream.test.ts',
      test: 'M16 what an image leaves out is unchanged, and null only where that is the default, on mysql-9',
    },
    edits: [
      {
        path: 'src/source/mysql/rows/rows.ts',
        find: 'absent[i] === true) {\n        if (plan.wanted) out.unchanged()',
        put: 'absent[i] === true) {\n        if (plan.wanted) out.null()',
      },
    ],
  },
]
