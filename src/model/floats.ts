/** The canonical text (model/value.ts) of a double-precision number. */
export function doubleText(value: number): string {
  const size = Math.abs(value)
  // Where the language's own text has no exponent it is the canonical one.
  if (size >= 1e-4 && size < 1e15) return String(value)
  return floatText(value, 15, value.toExponential())
}

/** The same of a single-precision number. */
export function singleText(value: number): string {
  return floatText(value, 6, shortest32(value))
}

/** Below it numbers of single precision have fewer and fewer digits. */
const SMALLEST_NORMAL = 2 ** -126

/** The fewest digits that read back as the same single-precision number. */
function shortest32(value: number): string {
  // What six digits or fewer say of a normal number comes out of six with zeros behind it.
  const fewest = Math.abs(value) < SMALLEST_NORMAL ? 0 : 5
  for (let digits = fewest; digits < 8; digits++) {
    const text = value.toExponential(digits)
    if (Math.fround(Number(text)) === value) return text
  }
  return value.toExponential(8)
}

/**
 * The shortest digits, with an exponent below 1e-4 and from 10^`upTo` on, which is how the
 * canonical text of model/value.ts writes them everywhere.
 */
function floatText(value: number, upTo: number, exponential: string): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const parts = /^(-?)(\d)(?:\.(\d*?))?0*e([+-]\d+)$/.exec(exponential)
  const [sign, lead, fraction] = [parts?.[1] ?? '', parts?.[2] ?? '', parts?.[3] ?? '']
  const exponent = Number(parts?.[4])
  if (exponent < -4 || exponent >= upTo) {
    const power = `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
    return `${sign}${lead}${fraction === '' ? '' : `.${fraction}`}e${power}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${lead}${fraction}`
  const whole = (lead + fraction).slice(0, exponent + 1).padEnd(exponent + 1, '0')
  const rest = fraction.slice(exponent)
  return `${sign}${whole}${rest === '' ? '' : `.${rest}`}`
}
