import { createInterface } from 'node:readline/promises'
import { destroyMirror } from '../../mirror/operations.ts'
import { Fault } from '../../model/fault.ts'
import { forgetHalt } from '../../observe/halts.ts'
import { type Call, type Command, whichMirror } from '../command.ts'
import type { Outcome } from '../outcome.ts'
import { optionsOf } from '../running.ts'

export const destroy: Command = {
  name: 'destroy',
  summary: 'Give a mirror up: remove what it keeps at both ends. The tables stay.',
  flags: [
    ...whichMirror,
    { flags: '--confirm <name>', text: 'the name of the mirror, instead of being asked for it' },
  ],
  examples: ['holdfast destroy --name crm', 'holdfast destroy --name crm --confirm crm'],
  async run(call: Call): Promise<Outcome> {
    const { out } = call
    const settings = await call.mirror()
    const { name } = settings
    out.say(planOf(name))
    const typed = call.given.text('confirm') ?? (await askName(call, name))
    if (typed !== name) {
      const what =
        typed === null
          ? `the name of the mirror was not given; nobody can be asked here`
          : `"${typed}" is not the name of the mirror`
      throw new Fault('HF-X010', {
        what,
        todo: [{ text: 'Name it.', run: `holdfast destroy --name ${name} --confirm ${name}` }],
      })
    }
    const removed = await destroyMirror(optionsOf(settings, { snapshotOnly: false }))
    forgetHalt(call.directory, name)
    const mark = out.paint.stdout.mark('ok')
    for (const thing of removed) out.data(`${mark} removed ${thing}`)
    out.say('  The mirrored tables and their rows stay at the target.')
    return { ok: true, summary: { removed: removed.length }, result: { removed } }
  },
}

function planOf(name: string): string {
  return [
    `Plan: remove mirror ${name}.`,
    `  at the source   what keeps its log for the mirror, if anything does: slot and publications holdfast_${name}…`,
    '  at the target   the state of the mirror',
    '  stays           all mirrored tables and their rows; the source is otherwise untouched',
    '  It cannot be resumed afterwards: a new run copies everything again.',
  ].join('\n')
}

/** What a person types, or null when there is nobody to ask. */
async function askName({ out, signal }: Call, name: string): Promise<string | null> {
  if (out.json || process.stdin.isTTY !== true) return null
  const dialogue = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await dialogue.question(`Type the name of the mirror (${name}): `, { signal })).trim()
  } finally {
    dialogue.close()
  }
}
