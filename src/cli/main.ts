import { Fault } from '../model/fault.ts'
import { callOf } from './call.ts'
import type { Given } from './command.ts'
import { exitOf, faultsOf, worst } from './exit.ts'
import { faultData } from './format.ts'
import { typedIn } from './next.ts'
import type { Outcome } from './outcome.ts'
import { Output } from './output.ts'
import { type ColourChoice, paintFor } from './paint.ts'
import { helpText, parseArguments, type Request } from './program.ts'
import { type Stopper, stopper } from './signals.ts'
import { ownWorld, type World } from './world.ts'

/** Does what `argv` (the words after `holdfast`) asks for, and returns the exit code. */
export async function main(argv: readonly string[], world: World = ownWorld()): Promise<number> {
  // Who reads us may leave, as in `holdfast discover | head`.
  world.stdout.on('error', () => {})
  const plain = outputFor(plainGiven(argv), world)
  if (argv.length === 0) {
    plain.log(helpText())
    return 2
  }
  let request: Request
  try {
    request = parseArguments(argv)
  } catch (error) {
    return conclude('', failure(error, plain), plain)
  }
  if (request.kind === 'command') return await carryOut(request, world)
  world.stdout.write(request.text)
  return 0
}

async function carryOut(
  { command, given }: Extract<Request, { kind: 'command' }>,
  world: World,
): Promise<number> {
  const out = outputFor(given, world)
  using stop = stopper(command.graceful === true, (fault) => out.faults([fault]))
  using _ = catchStray(out)
  try {
    const call = callOf(given, { out, world, signal: stop.signal })
    return conclude(command.name, await command.run(call), out)
  } catch (error) {
    if (wasStopped(error, stop)) return stop.exitCode()
    return conclude(command.name, failure(error, out), out)
  }
}

/** Shows what was thrown; the worst of it decides the exit code. */
function failure(error: unknown, out: Output): Outcome {
  const faults = faultsOf(error)
  out.faults(faults)
  return {
    ok: false,
    error: worst(faults),
    result: { faults: faults.map((one) => faultData(one, out.typed)) },
  }
}

function conclude(command: string, outcome: Outcome, out: Output): number {
  out.envelope(command, outcome)
  return exitOf(outcome)
}

function wasStopped(error: unknown, { signal }: Stopper): boolean {
  if (!signal.aborted) return false
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError')
}

/** What nobody caught is a defect of ours; the person gets a fault, not a stack trace. */
function catchStray(out: Output): Disposable {
  const onError = (error: unknown): void => {
    const [fault = new Fault('HF-X001', { what: 'something unknown was thrown' })] = faultsOf(error)
    out.faults([fault])
    process.exit(fault.entry.exit)
  }
  process.on('uncaughtException', onError)
  process.on('unhandledRejection', onError)
  return {
    [Symbol.dispose]() {
      process.off('uncaughtException', onError)
      process.off('unhandledRejection', onError)
    },
  }
}

function outputFor(given: Given, world: World): Output {
  const choice = given.text('color')
  const colours: ColourChoice = choice === 'always' || choice === 'never' ? choice : 'auto'
  const paint = (stream: { readonly isTTY?: boolean }) =>
    paintFor(stream.isTTY === true, colours, world.environment)
  return new Output({
    json: given.on('json'),
    quiet: given.on('quiet'),
    verbose: given.on('verbose'),
    stdout: world.stdout,
    stderr: world.stderr,
    paint: { stdout: paint(world.stdout), stderr: paint(world.stderr) },
    typed: typedIn(given),
  })
}

/** What can be known of the global flags before the words could be read. */
function plainGiven(argv: readonly string[]): Given {
  return {
    words: [],
    text: () => null,
    texts: () => [],
    on: (flag) => argv.includes(`--${flag}`),
  }
}
