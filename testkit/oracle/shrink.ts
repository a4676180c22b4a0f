import type { Plan, PlannedFault, Script } from './plan.ts'

/** How a plan is tried while it is made smaller. */
export interface Shrinking {
  /** Whether the plan still fails as it did. */
  readonly fails: (plan: Plan) => Promise<boolean>
  /** What was written in a run that failed; null when none did. */
  readonly written: (plan: Plan) => Promise<Plan['script']>
  /** What was said at the last failure: tables that it names are looked at first. */
  readonly said?: () => string
  readonly say?: (line: string) => void
}

/**
 * A smaller plan that fails, too: without the faults, sessions, transactions and statements that
 * it does not take. What several sessions write is written again by one, in the order in which
 * their transactions ended, where that is enough.
 */
export async function shrink(plan: Plan, how: Shrinking): Promise<Plan> {
  const { fails, say = () => undefined } = how
  const fewer = await fewerFaults(plan, how)
  const alone = { ...fewer, sessions: 1 }
  const drawn = fewer.script === null && (await fails(alone)) ? alone : fewer
  say(`${drawn.planned?.length ?? 'drawn'} faults, ${drawn.sessions} sessions`)
  const scripted = drawn.script === null ? await asScript(drawn, how) : drawn
  if (scripted === null) return await smaller(drawn, how)
  say(`${sizeOf(scripted.script)} as a script`)
  const narrow = await fewerTables(scripted, how)
  say(`${sizeOf(narrow.script)} after whole tables were left out`)
  return await shorter(await plainer(narrow, fails), how)
}

/** Items without those that it does not take: ever smaller stretches are left out. */
export async function least<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  if (items.length > 0 && (await fails([]))) return []
  let left = items
  for (let size = Math.ceil(left.length / 2); size >= 1 && left.length > 1; ) {
    for (let at = 0; at < left.length && left.length > 1; ) {
      const without = [...left.slice(0, at), ...left.slice(at + size)]
      if (without.length > 0 && (await fails(without))) left = without
      else at += size
    }
    if (size === 1) break
    size = Math.ceil(Math.min(size, left.length) / 2)
  }
  return left
}

async function fewerFaults(plan: Plan, { fails }: Shrinking): Promise<Plan> {
  const calm: Plan = { ...plan, killAt: null, planned: [] }
  if (await fails(calm)) return calm
  const undying = { ...plan, killAt: null }
  const start = plan.killAt !== null && (await fails(undying)) ? undying : plan
  const planned = await least<PlannedFault>(start.planned ?? [], (some) =>
    fails({ ...start, planned: some }),
  )
  return { ...start, planned }
}

/** The same with every statement given; null when that alone does not fail. */
async function asScript(plan: Plan, { fails, written }: Shrinking): Promise<Plan | null> {
  const script = await written(plan)
  if (script === null) return null
  const scripted: Plan = { ...plan, script, sessions: 1 }
  for (const held of [true, false]) {
    const tried = { ...scripted, held }
    if ((!held || plan.planned?.length === 0) && (await fails(tried))) return tried
  }
  return null
}

/** Where every statement cannot be given: fewer transactions, of fewer kinds. */
async function smaller(plan: Plan, { fails }: Shrinking): Promise<Plan> {
  let best = plan
  for (;;) {
    const found = await first(candidates(best), fails)
    if (found === null) return best
    best = found
  }
}

function* candidates(plan: Plan): Generator<Plan> {
  const { sessions, transactions, mix } = plan
  if (transactions > 20) yield { ...plan, transactions: Math.ceil(transactions / 2) }
  if (sessions > 2) yield { ...plan, sessions: Math.ceil(sessions / 2) }
  for (const kind of ['prepared', 'large', 'truncate', 'evolve', 'back'] as const) {
    const { transaction } = mix
    if (transaction[kind] === 0) continue
    yield { ...plan, mix: { ...mix, transaction: { ...transaction, [kind]: 0 } } }
  }
  if (mix.statements > 1) {
    yield { ...plan, mix: { ...mix, statements: Math.floor(mix.statements / 2) } }
  }
}

async function first(
  plans: Iterable<Plan>,
  fails: (plan: Plan) => Promise<boolean>,
): Promise<Plan | null> {
  for (const plan of plans) if (await fails(plan)) return plan
  return null
}

const tableNames = /oracle\.(?:"(?:[^"]|"")+"|\w+)/g

/** Without all that touches other tables than those that it takes. */
async function fewerTables(plan: Plan, { fails, said }: Shrinking): Promise<Plan> {
  const script = scriptOf(plan)
  const text = [...script.before, ...script.after].flat().join('\n')
  const names = [...new Set(text.match(tableNames))]
  const only = (some: readonly string[]): Plan => {
    const left = (all: Script): Script => all.map((one) => about(one, some)).filter(isWork)
    return { ...plan, script: { before: left(script.before), after: left(script.after) } }
  }
  const told = names.filter((name) => said?.().includes(name.replaceAll('"', '')))
  if (told.length > 0 && told.length < names.length && (await fails(only(told)))) return only(told)
  return only(await least(names, (some) => fails(only(some))))
}

/** What of a transaction is about these tables, without savepoints that nothing lies behind. */
function about(statements: readonly string[], tables: readonly string[]): readonly string[] {
  const left: string[] = []
  for (const statement of statements) {
    const named = statement.match(tableNames) ?? []
    if (!named.every((name) => tables.includes(name))) continue
    const point = /^(?:release|rollback to) (\w+)$/.exec(statement)?.[1]
    if (point !== undefined && left.at(-1) === `savepoint ${point}`) left.pop()
    else left.push(statement)
  }
  return left
}

/** Whether more is left than a beginning and an end. */
function isWork(statements: readonly string[]): boolean {
  return statements.length !== 2
}

/** Nothing unusual that it does not take. */
async function plainer(plan: Plan, fails: (plan: Plan) => Promise<boolean>): Promise<Plan> {
  let best = plan
  const usual: readonly Partial<Plan>[] = [
    { early: 0 },
    { memory: '64MiB' },
    { batchRows: 100_000 },
    { path: null },
  ]
  for (const one of usual) {
    const tried = { ...best, ...one }
    if (JSON.stringify(tried) !== JSON.stringify(best) && (await fails(tried))) best = tried
  }
  return best
}

/** The fewest transactions, and the fewest statements in each. */
async function shorter(plan: Plan, { fails, say = () => undefined }: Shrinking): Promise<Plan> {
  let best = plan
  for (const part of ['after', 'before'] as const) {
    const put = (some: Script): Plan => ({ ...best, script: { ...scriptOf(best), [part]: some } })
    best = put(await least(scriptOf(best)[part], (some) => fails(put(some))))
    say(sizeOf(best.script))
  }
  for (const part of ['after', 'before'] as const) {
    for (let i = 0; i < scriptOf(best)[part].length; i++) {
      const put = (some: readonly string[]): Plan => {
        const script = scriptOf(best)
        return { ...best, script: { ...script, [part]: script[part].with(i, some) } }
      }
      const whole = scriptOf(best)[part][i] ?? []
      const ends = [whole.slice(0, 1), whole.slice(-1)] as const
      const around = (some: readonly string[]): readonly string[] =>
        whole.length < 2 ? whole : [...ends[0], ...some, ...ends[1]]
      const inner = await least(whole.slice(1, -1), (some) => fails(put(around(some))))
      best = put(around(inner))
    }
    say(sizeOf(best.script))
  }
  return best
}

function scriptOf(plan: Plan): NonNullable<Plan['script']> {
  return plan.script ?? { before: [], after: [] }
}

export function sizeOf(script: Plan['script']): string {
  const all = script === null ? [] : [...script.before, ...script.after]
  return `${all.length} transactions of ${all.flat().length} statements`
}
