import { Fault } from '../model/fault.ts'
import { faultAt, type Scene, unknownKey } from './diagnose.ts'
import { coerce } from './environment.ts'
import { type SchemaNode, schemaAt } from './schema.ts'
import { type Origin, originName } from './tree.ts'

interface Setting {
  readonly key: readonly string[]
  readonly value: string
  readonly origin: Origin
}

/** Throws HF-C012. */
function settingOf(text: string): Setting {
  const equals = text.indexOf('=')
  const key = text.slice(0, Math.max(0, equals)).trim()
  // What stands behind the = may be a password.
  const shown = equals < 0 ? text : key
  if (key === '' || key.startsWith('mirrors.')) {
    throw new Fault('HF-C012', {
      what: `--set takes KEY=VALUE with a key of one mirror, such as target.shape=history, not "${shown}"`,
    })
  }
  const origin = { by: 'flag', name: `--set ${key}` } as const
  return { key: key.split('.'), value: text.slice(equals + 1), origin }
}

/** Some keys are of the whole file; all others are of a mirror. */
function isOfFile([first = '']: readonly string[], schema: SchemaNode): boolean {
  return Object.hasOwn(schema.properties ?? {}, first)
}

/** The first setting that is meant for one mirror. Throws HF-C012. */
export function firstOfMirror(texts: readonly string[], schema: SchemaNode): Origin | null {
  return texts.map(settingOf).find(({ key }) => !isOfFile(key, schema))?.origin ?? null
}

/** Writes `KEY=VALUE` settings over all else. Returns a fault for each key that there is not. */
export function setKeys(scene: Scene, texts: readonly string[], index: number): Fault[] {
  return texts.flatMap((text) => {
    const { key, value, origin } = settingOf(text)
    const path = isOfFile(key, scene.schema) ? key : ['mirrors', index, ...key]
    const node = schemaAt(scene.schema, path)
    if (node === null) {
      const named = { ...scene, text: null }
      const finding = unknownKey(firstUnknown(path, scene.schema), named)
      return [faultAt({ ...finding, what: `${originName(origin)} names no key` }, named)]
    }
    scene.tree.set(path, coerce(value, node), origin)
    return []
  })
}

/** The shortest beginning of a path that leads nowhere. */
function firstUnknown(
  path: readonly (string | number)[],
  schema: SchemaNode,
): readonly (string | number)[] {
  const lengths = path.map((_, i) => i + 1)
  const first = lengths.find((length) => schemaAt(schema, path.slice(0, length)) === null)
  return path.slice(0, first)
}
