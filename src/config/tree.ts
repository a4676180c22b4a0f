/** The way to a value: keys and indexes. */
export type Path = readonly (string | number)[]

/** Where a value was written. */
export type Origin =
  | {
      readonly by: 'file'
      readonly file: string
      readonly line: number
      readonly column: number
      /** Characters to underline. */
      readonly width: number
    }
  | { readonly by: 'environment'; readonly name: string }
  | { readonly by: 'flag'; readonly name: string }

/** `a.0.b` for people and as a key. */
export function pathName(path: Path): string {
  return path.join('.')
}

/** `holdfast.yaml:7:12`, `DATABASE_URL` or `--source`. */
export function originName(origin: Origin): string {
  return origin.by === 'file' ? `${origin.file}:${origin.line}:${origin.column}` : origin.name
}

/** Plain data from several places, which knows where each value came from. */
export class Tree {
  root: unknown
  readonly #set = new Map<string, Origin>()
  /** Finds a place in the file that `root` came from. */
  readonly #locate: (path: Path, key: boolean) => Origin | null

  constructor(root: unknown, locate: (path: Path, key: boolean) => Origin | null = () => null) {
    this.root = root
    this.#locate = locate
  }

  get(path: Path): unknown {
    let at: unknown = this.root
    for (const step of path) at = isHolder(at) ? at[step] : undefined
    return at
  }

  /** Writes a value and where it came from; makes what is missing on the way. */
  set(path: Path, value: unknown, origin: Origin): void {
    const last = path.at(-1)
    if (last === undefined) return
    let at: unknown = this.root
    for (const [index, step] of path.slice(0, -1).entries()) {
      if (!isHolder(at)) return
      const next = path[index + 1]
      if (!isHolder(at[step])) at[step] = typeof next === 'number' ? [] : {}
      at = at[step]
    }
    if (!isHolder(at)) return
    at[last] = value
    this.#set.set(pathName(path), origin)
  }

  /** Where the value at `path` was written; null for a default. */
  origin(path: Path): Origin | null {
    for (let length = path.length; length > 0; length--) {
      const set = this.#set.get(pathName(path.slice(0, length)))
      if (set !== undefined) return set
    }
    return this.get(path) === undefined ? null : this.#locate(path, false)
  }

  /** Where the key at `path` stands, or the nearest thing around it that stands anywhere. */
  near(path: Path, key: boolean): Origin | null {
    for (let length = path.length; length > 0; length--) {
      const part = path.slice(0, length)
      const set = this.#set.get(pathName(part))
      if (set !== undefined) return set
      const found = this.#locate(part, key && length === path.length)
      if (found !== null) return found
    }
    return null
  }
}

function isHolder(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null
}
