import { ENVIRONMENT_PREFIX } from '../config/describe.ts'
import { isDisabled, type Loaded, loadConfig, type MirrorFlags } from '../config/load.ts'
import { resolveMirrors, resolveSources } from '../config/resolve.ts'
import type { MirrorSettings, SourceSettings } from '../config/settings.ts'
import { Fault } from '../model/fault.ts'
import { askSettings } from '../observe/socket.ts'
import type { Call, Given } from './command.ts'
import type { Output } from './output.ts'
import type { World } from './world.ts'

const DISABLED =
  `[${ENVIRONMENT_PREFIX}] Database mirroring is disabled ` +
  '(DATABASE_MIRROR_ENABLED is not true)'

/** One call of a command: what was typed, and the configuration read when it is asked for. */
export function callOf(
  given: Given,
  { out, world, signal }: { out: Output; world: World; signal: AbortSignal },
): Call {
  const { environment, directory } = world
  const request = { environment, directory, file: given.text('config'), flags: flagsOf(given) }
  let loaded: Loaded | null = null
  const config = (): Loaded => {
    loaded ??= loadConfig(request)
    return loaded
  }
  const disabled = (): string | null => (isDisabled(request) ? DISABLED : null)
  const mirrors = (): readonly MirrorSettings[] => resolveMirrors(config(), directory)
  const mirror = async (): Promise<MirrorSettings> => {
    const running = await fromRunning(config, given, directory)
    return running ?? onlyOne(mirrors())
  }
  const source = async (): Promise<SourceSettings> => {
    const load = (): Loaded => {
      loaded ??= loadConfig({ ...request, needs: 'source' })
      return loaded
    }
    const running = await fromRunning(load, given, directory)
    return running ?? onlyOne(resolveSources(load()))
  }
  return { given, out, environment, directory, signal, disabled, config, mirrors, mirror, source }
}

function flagsOf(given: Given): MirrorFlags {
  return {
    name: given.text('name'),
    source: given.text('source'),
    target: given.text('target'),
    include: given.texts('include'),
    exclude: given.texts('exclude'),
    keyless: given.text('keyless'),
    onExisting: given.text('on-existing'),
    set: given.texts('set'),
  }
}

/** Where nothing describes a mirror, one that runs in this folder speaks for itself. */
async function fromRunning(
  config: () => Loaded,
  given: Given,
  directory: string,
): Promise<MirrorSettings | null> {
  try {
    config()
    return null
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'HF-C013') throw error
    // Whoever names one end does not mean the ends of that one.
    if (given.text('source') !== null || given.text('target') !== null) throw error
    const settings = await askSettings(directory, given.text('name') ?? 'default')
    if (settings === null) throw error
    return settings
  }
}

function onlyOne<T extends SourceSettings>(mirrors: readonly T[]): T {
  const [first] = mirrors
  if (first !== undefined && mirrors.length === 1) return first
  const names = mirrors.map((mirror) => mirror.name).join(', ')
  throw new Fault('HF-C014', {
    what: `there are several mirrors; name one of ${names} with --name`,
  })
}
