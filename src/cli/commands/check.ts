import { checkMirror } from '../../mirror/operations.ts'
import type { Finding } from '../../model/fault.ts'
import { type Call, type Command, wholeMirror } from '../command.ts'
import { findingData } from '../format.ts'
import { nextCommand } from '../next.ts'
import type { Outcome } from '../outcome.ts'
import { optionsOf } from '../running.ts'

export const check: Command = {
  name: 'check',
  summary: 'Would it work? Changes nothing.',
  flags: [
    ...wholeMirror,
    { flags: '--sql', text: 'only the SQL that mends what was found, as a script' },
  ],
  examples: [
    'holdfast check --source URL --target URL',
    'holdfast check --sql > mend.sql',
    'holdfast check --name shop --json',
  ],
  notes: ['Ends with 4 when something would stop the mirror; warnings do not.'],
  async run(call: Call): Promise<Outcome> {
    const { out, given } = call
    const settings = await call.mirror()
    const findings = await checkMirror(optionsOf(settings, { snapshotOnly: false }))
    if (given.on('sql') && !out.json) out.raw(scriptOf(findings))
    else for (const finding of findings) out.finding(finding)
    const counted = countLevels(findings)
    const first = findings.find((finding) => finding.level === 'fail')
    const next = nextCommand(call, first === undefined ? 'run' : 'check')
    out.say(
      `Summary: ${counted.ok} ok · ${counted.warn} warn · ${counted.fail} fail.   ` +
        (first === undefined
          ? `Next: ${next}`
          : `Mend the first fail, then: ${next}   (as a script: ${next} --sql)`),
    )
    return {
      ok: first === undefined,
      summary: counted,
      result: {
        findings: findings.map((one) => findingData(one, out.typed)),
        sql: scriptOf(findings),
      },
      hints: [{ why: first === undefined ? 'start it' : 'after mending', run: next }],
    }
  },
}

function countLevels(findings: readonly Finding[]): Record<Finding['level'], number> {
  const count = (level: Finding['level']): number =>
    findings.filter((finding) => finding.level === level).length
  return { ok: count('ok'), warn: count('warn'), fail: count('fail') }
}

/** The SQL of all findings: one script for each server and for whoever must run it there. */
function scriptOf(findings: readonly Finding[]): string {
  const scripts = new Map<string, string[]>()
  for (const finding of findings) {
    if (finding.level === 'ok') continue
    for (const { text, sql, at, as } of finding.fault.todo) {
      if (sql === undefined) continue
      const key = `-- At the ${at ?? 'server'}, as its ${as ?? 'owner'}:`
      const steps = scripts.get(key) ?? []
      const ended = /;\s*$/.test(sql) ? sql : `${sql};`
      // What only warns is advice: it stands in the script without being run.
      const statement = finding.level === 'fail' ? ended : ended.replaceAll(/^/gm, '-- ')
      scripts.set(key, [
        ...steps,
        // A name with a line break in it must not end the comment.
        `-- ${finding.fault.code} ${finding.subject}: ${text}`.replaceAll(/[\r\n]+/g, ' '),
        statement,
      ])
    }
  }
  if (scripts.size === 0) return '-- There is nothing that SQL would mend.\n'
  return [...scripts].map(([head, steps]) => [head, ...steps, ''].join('\n')).join('\n')
}
