import type { Origin } from '../../dialect/debezium/event.ts'
import type { Parts, Whole } from '../../dialect/debezium/place.ts'
import { judge, type Mark, type Marks, marked, type Sharing, type Verdict } from './marks.ts'

/**
 * What a partition was told, as it grows. An event that only goes on in the log of the one before
 * changes what is here already, so that no marks are made for it before somebody asks.
 */
export class Trail {
  /** As they were before those events. */
  #base: Marks
  /** The only one of them, as those events changed it; empty where there are several, or none. */
  #own: { -readonly [K in keyof Mark]: Mark[K] }[]
  #grown = false

  constructor(marks: Marks) {
    this.#base = marks
    this.#own = ownOf(marks)
  }

  get marks(): Marks {
    return this.#grown ? ownOf(this.#own) : this.#base
  }
  set marks(marks: Marks) {
    this.#base = marks
    this.#own = ownOf(marks)
    this.#grown = false
  }

  /** With `parts` and `at`, what `marksAt` makes the marks of. */
  get base(): Marks {
    return this.#base
  }
  /** Null where the marks are `base`. */
  get parts(): Parts | null {
    return this.#grown ? (this.#own[0]?.parts ?? null) : null
  }
  get at(): Whole {
    return this.#own[0]?.at ?? 0
  }

  judge(origin: Origin | null, sharing: Sharing): Verdict {
    return judge(this.#grown ? this.#own : this.#base, origin, sharing)
  }

  /** An event that is new was taken. */
  take(origin: Origin | null): void {
    const [mark] = this.#own
    if (mark === undefined || origin === null || !goesOn(mark, origin)) {
      this.marks = marked(this.marks, origin)
      return
    }
    mark.parts = origin.place?.parts ?? null
    mark.at = origin.committedAt ?? mark.at
    this.#grown = true
  }
}

/** The marks of a trail that was here. */
export function marksAt(base: Marks, parts: Parts | null, at: Whole): Marks {
  return parts === null ? base : base.map((mark) => ({ ...mark, parts, at }))
}

function ownOf(marks: Marks): Mark[] {
  return marks.length === 1 ? marks.map((mark) => ({ ...mark })) : []
}

/** True when nothing of the mark differs after the event but its place and time. */
function goesOn(mark: Mark, { place, snapshot, committedAt, membership }: Origin): boolean {
  if (place === null || place.log !== mark.log || place.gtid !== null) return false
  if (place.parts[0] === null || committedAt === null || committedAt < mark.at) return false
  return snapshot === 'no' && membership === null && mark.total === 0
}
