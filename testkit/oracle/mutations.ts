import type { CourseName } from './courses.ts'

/** One place of a source file and what stands there in a broken engine. */
export interface Edit {
  readonly path: string
  /** Must occur exactly once. */
  readonly find: string
  readonly put: string
}

/** An engine that is broken on purpose. */
export interface Mutation {
  readonly name: string
  readonly edits: readonly Edit[]
  /** What is to notice it: a course of the oracle, a pair of kinds, or a test by file and name. */
  readonly by:
    | CourseName
    | { readonly pair: string }
    | { readonly file: string; readonly test: string }
}

const count = '((globalThis as any).nth = ((globalThis as any).nth ?? 0) + 1)'

export const mutations: readonly Mutation[] = [
  {
    name: 'skips one transaction',
    by: 'calm',
    edits: [
      {
        path: 'src/stream/draft.ts',
        find: 'this.#runs.push(spill === null ? this.#route.of(run) : run)',
        put: `const kept = run.map((changes) =>
      changes.length > 1 && ${count} === 40 ? changes.slice(0, 0) : changes,
    )
    this.#runs.push(this.#route.of(kept))`,
      },
    ],
  },
  {
    name: 'takes one unchanged large value for null',
    by: 'calm',
    edits: [
      {
        path: 'src/source/postgres/log/transactions.ts',
        find: '    const { convert } = this.#options\n',
        put: `    for (let at = from + 2, i = 0; from >= 0 && i < width; i++) {
      const kind = buffer[at]
      if (kind === 0x75 && ${count} === 5) buffer[at] = 0x6e
      at += kind === 0x75 || kind === 0x6e ? 1 : 5 + buffer.readInt32BE(at + 1)
    }
    const { convert } = this.#options
`,
      },
    ],
  },
  {
    name: 'acknowledges what the target may still lose',
    by: 'crashed',
    edits: [
      {
        path: 'src/mirror/run.ts',
        find: 'const durable = await target.durable()',
        put: 'const durable = batch.positions',
      },
    ],
  },
  {
    name: 'deletes and inserts where a key changes',
    by: 'calm',
    edits: [
      {
        path: 'src/apply/keyed.ts',
        find: "this.#steps.push({ kind: 'update', table: this.table, set, rows, old: olds })",
        put: `this.#steps.push(
      { kind: 'delete', table: this.table, old: olds },
      { kind: 'insert', table: this.table, rows, existing: 'refuse' },
    )`,
      },
    ],
  },
  {
    name: 'resumes one transaction too late',
    by: 'resumed',
    edits: [
      {
        path: 'src/stream/batches.ts',
        find: '    if (!this.#isSeen(run, 0)) return assembled\n',
        put: `    if (!this.#isSeen(run, 0)) {
      if (${count} > 1) return assembled
      return run.length === 1 ? null : { ...assembled, run: run.slice(1, run.length) }
    }
`,
      },
    ],
  },
  {
    name: 'ignores TRUNCATE',
    by: 'calm',
    edits: [
      {
        path: 'src/source/postgres/log/transactions.ts',
        find: 'if (tables.length === 0) return\n    this.#within',
        put: 'if (tables.length >= 0) return\n    this.#within',
      },
    ],
  },
  {
    name: 'swallows an update that finds no row',
    by: {
      file: 'test/integration/target/postgres/refusal.test.ts',
      test: '18: update of 1 rows of which one is missing',
    },
    edits: [
      {
        path: 'src/target/postgres/state/state.ts',
        find: 'if actual is distinct from wanted then',
        put: 'if false then',
      },
    ],
  },
  {
    name: 'swaps transactions with their neighbours',
    by: 'calm',
    edits: [
      {
        path: 'src/stream/draft.ts',
        find: '  add(assembled: Assembled): void {\n',
        put: `  add(given: Assembled): void {
    const all = globalThis as any
    if (${count} % 5 === 0 && !all.held) {
      all.held = given
      this.transactions++
      return
    }
    this.append(given)
    if (all.held) this.append(all.held)
    all.held = null
  }

  append(assembled: Assembled): void {
`,
      },
    ],
  },
  {
    name: 'applies a batch twice',
    by: 'calm',
    edits: [
      {
        path: 'src/target/postgres/apply/apply.ts',
        find: '        yield* steps.slice(from, to)',
        put: '        for (let i = 0; i < 2; i++) yield* steps.slice(from, to)',
      },
    ],
  },
  {
    name: 'commits the checkpoint before the rows',
    by: {
      file: 'test/integration/target/postgres/refusal.test.ts',
      test: '18: update of 1 rows of which one is missing',
    },
    edits: [
      {
        path: 'src/target/postgres/apply/apply.ts',
        find: '    this.#stages.tidy(pipe, MOST_STAGES)',
        put: `    this.#fixed(pipe, 'COMMIT')
    this.#fixed(pipe, 'BEGIN ISOLATION LEVEL READ COMMITTED')
    this.#fixed(pipe, transactionSettings(link, { synchronous_commit: synchronous }))
    this.#stages.tidy(pipe, MOST_STAGES)`,
      },
    ],
  },
  {
    name: 'keeps what a savepoint took back',
    by: 'calm',
    edits: [
      {
        path: 'src/source/postgres/log/transactions.ts',
        find: 'const sub = subxid === xid ? null : String(subxid)',
        put: 'const sub = subxid === xid ? null : String(subxid)\n    if (sub !== null) return',
      },
    ],
  },
  {
    name: 'reads rows by the columns of before',
    by: 'calm',
    edits: [
      {
        path: 'src/source/postgres/log/relations.ts',
        find: '    if (added.length === 0) {\n      this.#keep(message, streamed, from)',
        put: '    if (added.length >= 0) {\n      this.#keep(message, streamed, from)',
      },
    ],
  },
  {
    name: 'resumes from where the slot stands',
    by: 'resumed',
    edits: [
      {
        path: 'src/stream/batches.ts',
        find: 'return covers(this.#options.compare, this.#options.after, places.positions(index))',
        put: 'return false',
      },
      {
        path: 'src/source/postgres/log/walsender.ts',
        find: 'formatLsn(after)} (',
        put: 'formatLsn(after && 0n)} (',
      },
      {
        path: 'src/source/postgres/log/transactions.ts',
        find: "if (lsn <= this.#last) throw misread('a commit comes before what was read already')",
        put: '',
      },
    ],
  },
  {
    name: 'merges changes across a TRUNCATE',
    by: 'calm',
    edits: [
      {
        path: 'src/apply/collapse.ts',
        find: '        for (const one of works.values()) one.flush()\n        works.clear()\n        work = null\n',
        put: '',
      },
    ],
  },
  {
    name: 'acknowledges keepalives',
    by: 'held',
    edits: [
      {
        path: 'src/source/postgres/stream.ts',
        find: '      const lsn = bytes.uint64()\n',
        put: '      const lsn = bytes.uint64()\n      walsender.acknowledge(lsn)\n',
      },
    ],
  },
  {
    name: 'bends a text',
    by: 'calm',
    edits: [
      {
        path: 'src/source/postgres/log/transactions.ts',
        find: '    const { convert } = this.#options\n',
        put: `    const letter = from < 0 ? -1 : buffer.subarray(from, to).lastIndexOf(0x7a)
    if (letter > 12 && ${count} === 20) buffer[from + letter] = 0x79
    const { convert } = this.#options
`,
      },
    ],
  },
  {
    name: 'loses the last part in memory of a transaction that goes to disk',
    by: 'calm',
    edits: [
      {
        path: 'src/stream/assemble.ts',
        find: 'for (const { sub, changes } of open.segments) await',
        put: 'for (const { sub, changes } of open.segments.slice(0, -1)) await',
      },
    ],
  },
  {
    name: 'applies again what a later copy holds',
    by: 'copied anew',
    edits: [
      {
        path: 'src/apply/route.ts',
        find: 'if (held.size === 0) return everything',
        put: 'if (held.size >= 0) return everything',
      },
    ],
  },
  {
    name: 'acknowledges a window when it is read',
    by: {
      file: 'test/integration/source/postgres/catchup.test.ts',
      test: 'the slot stays where the target stands, however far windows were read',
    },
    edits: [
      {
        path: 'src/source/postgres/windows/catchup.ts',
        find: 'yield { through: window.to, asked: false }',
        put: 'yield { through: window.to, asked: false }\n      this.acknowledge(window.to)',
      },
    ],
  },
  {
    name: 'loses windows',
    by: 'in windows',
    edits: [
      {
        path: 'src/source/postgres/windows/catchup.ts',
        find: '        yield window.take()\n',
        put: '        const lost = window.take()\n        if (signal.aborted) yield lost\n',
      },
    ],
  },
  {
    name: 'copies a table that was truncated under its snapshot',
    by: {
      file: 'test/integration/source/postgres/snapshot.test.ts',
      test: 'a snapshot whose session dies says so',
    },
    edits: [
      {
        path: 'src/source/postgres/snapshot/snapshot.ts',
        find: "if (shape !== undefined && shape.node === seen?.['relfilenode']) return",
        put: 'if (shape !== undefined && seen !== undefined) return',
      },
    ],
  },
  {
    name: 'writes after the mirror was taken over',
    by: {
      file: 'test/integration/target/postgres/claim.test.ts',
      test: '18: the epoch is asserted inside the server',
    },
    edits: [
      {
        path: 'src/target/postgres/state/state.ts',
        find: 'where l.mirror = mirror_name and l.lane = lane_name and l.epoch = wanted\n    and',
        put: 'where l.mirror = mirror_name and l.lane = lane_name\n    and',
      },
    ],
  },
]
