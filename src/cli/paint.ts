import type { Environment } from '../config/interpolate.ts'

export type Colour = 'red' | 'yellow' | 'green' | 'dim' | 'bold' | 'cyan'
export type Mark = 'ok' | 'warn' | 'fail' | 'wait'

const CODES: Readonly<Record<Colour, string>> = {
  red: '31',
  yellow: '33',
  green: '32',
  dim: '2',
  bold: '1',
  cyan: '36',
}

const MARKS: Readonly<Record<Mark, { glyph: string; colour: Colour }>> = {
  ok: { glyph: '✓', colour: 'green' },
  warn: { glyph: '⚠', colour: 'yellow' },
  fail: { glyph: '✗', colour: 'red' },
  wait: { glyph: '◌', colour: 'cyan' },
}

/** How one stream is written: with colours or not, with glyphs or with words. */
export interface Paint {
  readonly terminal: boolean
  colour(colour: Colour, text: string): string
  /** `✓` on a terminal, the word elsewhere, padded to one width. */
  mark(mark: Mark): string
}

export type ColourChoice = 'auto' | 'always' | 'never'

export function paintFor(terminal: boolean, choice: ColourChoice, environment: Environment): Paint {
  const colours = wantsColour(terminal, choice, environment)
  const colour = (name: Colour, text: string): string =>
    colours ? `\u001b[${CODES[name]}m${text}\u001b[0m` : text
  return {
    terminal,
    colour,
    mark(mark) {
      const { glyph, colour: name } = MARKS[mark]
      return colour(name, terminal ? glyph : mark.padEnd(4))
    },
  }
}

/** A flag decides before the environment, the environment before the kind of stream. */
function wantsColour(terminal: boolean, choice: ColourChoice, environment: Environment): boolean {
  if (choice !== 'auto') return choice === 'always'
  if ((environment['NO_COLOR'] ?? '') !== '') return false
  const forced = environment['FORCE_COLOR'] ?? ''
  if (forced !== '') return forced !== '0' && forced !== 'false'
  return terminal && environment['TERM'] !== 'dumb'
}
