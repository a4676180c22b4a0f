import { type FilePlace, fileNumber } from './place.ts'

/** As long as a file can be, about; where nothing better is known. */
const USUAL = 1 << 30

/**
 * Places in the files of a log as one number, in bytes from some beginning: for lag and display. It
 * holds for as long as the source is open.
 */
export class Ruler {
  /** Where each file begins, by its number. */
  readonly #starts = new Map<number, number>()
  /** Of those that grow no more. */
  readonly #sizes = new Map<number, number>()
  #newest: number | null = null

  /** The files that there are, oldest first; the last one still grows. */
  learn(files: readonly { readonly file: string; readonly size: number }[]): void {
    for (const { file, size } of files.slice(0, -1)) this.closed(file, size)
    const last = files.at(-1)
    if (last !== undefined) this.#start(fileNumber(last.file).number)
  }

  /** A file has come to its end. */
  closed(file: string, size: number): void {
    const { number } = fileNumber(file)
    if (!this.#sizes.has(number)) this.#sizes.set(number, size)
    this.#start(number)
  }

  at({ file, position }: Pick<FilePlace, 'file' | 'position'>): bigint {
    return BigInt(this.#start(fileNumber(file).number) + position)
  }

  #start(number: number): number {
    const known = this.#starts.get(number)
    if (known !== undefined) return known
    const newest = this.#newest
    let start = number * USUAL
    if (newest === null || number > newest) {
      if (newest !== null) start = this.#after(newest, number)
      this.#newest = number
    }
    this.#starts.set(number, start)
    return start
  }

  #after(newest: number, number: number): number {
    let start = this.#starts.get(newest) ?? 0
    for (let n = newest; n < number; n++) start += this.#sizes.get(n) ?? USUAL
    return start
  }
}
