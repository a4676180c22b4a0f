import { createRequire } from 'node:module'

/** The checker of the client of Kafka, as far as the client uses it. */
interface Checker {
  addKeyword(keyword: unknown): void
  compile(schema: unknown): Check
  errorsText(...said: readonly unknown[]): string
}

interface Check {
  (value: unknown): boolean
  errors?: unknown
}

/** The module of the checker, as the client names it. */
export const CHECKER = 'ajv/dist/2020.js'
/** This module, as loaders name it. */
export const address = import.meta.url

/**
 * Stands for the checker that the client of Kafka compiles the schemas of all its options with when
 * it is loaded, which takes longer than all else of it. They are asked only by whom is `strict`, so
 * that here each is compiled when it is asked first.
 */
export class Ajv2020 implements Checker {
  readonly #options: unknown
  readonly #keywords: unknown[] = []
  #made: Checker | null = null

  constructor(options: unknown) {
    this.#options = options
  }

  get #checker(): Checker {
    if (this.#made !== null) return this.#made
    const require = createRequire(import.meta.resolve('@platformatic/kafka'))
    const { Ajv2020: Real } = require(CHECKER) as {
      readonly Ajv2020: new (options: unknown) => Checker
    }
    const made = new Real(this.#options)
    for (const keyword of this.#keywords) made.addKeyword(keyword)
    this.#made = made
    return made
  }

  addKeyword(keyword: unknown): void {
    this.#keywords.push(keyword)
  }

  compile(schema: unknown): Check {
    let made: Check | null = null
    const check: Check = (value) => {
      made ??= this.#checker.compile(schema)
      const right = made(value)
      check.errors = made.errors
      return right
    }
    return check
  }

  errorsText(...said: readonly unknown[]): string {
    return this.#checker.errorsText(...said)
  }
}
