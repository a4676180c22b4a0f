import type { Out } from '../../model/out.ts'
import { misread } from './misread.ts'

/** Up to so many bytes an unscaled value fits into a number. */
const SMALL = 6
const PLAIN = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** A big-endian two's complement integer times 10^-scale, with `scale` digits behind the point. */
export function decimal(out: Out, unscaled: Buffer, scale: number): void {
  if (unscaled.length === 0) throw misread('a decimal has no digits')
  if (unscaled.length <= SMALL) {
    const value = unscaled.readIntBE(0, unscaled.length)
    if (scale > 0 && scale < FRACTIONS.length) fraction(out, value, scale)
    else placed(out, String(value), scale)
    return
  }
  const value = BigInt.asIntN(unscaled.length * 8, BigInt(`0x${unscaled.toString('hex')}`))
  placed(out, String(value), scale)
}

/** Ten to the power of each number of digits. */
const FRACTIONS = Array.from({ length: 16 }, (_, digits) => 10 ** digits)

/** A number of 48 bits, which divides exactly, with the point put before the last `scale` digits. */
function fraction(out: Out, value: number, scale: number): void {
  if (value < 0) out.byte(0x2d)
  const size = Math.abs(value)
  const unit = FRACTIONS[scale] ?? 1
  const whole = Math.floor(size / unit)
  out.integer(whole)
  out.byte(0x2e)
  out.padded(size - whole * unit, scale)
}

/** The same with the zeros taken away that the scale has too many. Throws Misread for other digits. */
export function shortened(
  out: Out,
  unscaled: Buffer,
  { scale, meant }: { readonly scale: number; readonly meant: number },
): void {
  const value = BigInt.asIntN(unscaled.length * 8, BigInt(`0x${unscaled.toString('hex')}`))
  const zeros = 10n ** BigInt(scale - meant)
  if (value % zeros !== 0n) throw misread('a decimal does not have its scale')
  placed(out, String(value / zeros), meant)
}

/** The digits of a whole number with the point put before the last `scale` of them. */
function placed(out: Out, digits: string, scale: number): void {
  if (scale <= 0) {
    out.ascii(digits === '0' ? digits : digits + '0'.repeat(-scale))
    return
  }
  const sign = digits.startsWith('-') ? 1 : 0
  if (sign === 1) out.byte(0x2d)
  const size = digits.length - sign
  if (size > scale) {
    out.ascii(digits.slice(sign, sign + size - scale))
    out.byte(0x2e)
    out.ascii(digits.slice(sign + size - scale))
    return
  }
  out.ascii('0.')
  out.ascii('0'.repeat(scale - size))
  out.ascii(digits.slice(sign))
}

/** A number as people and JSON write it, without an exponent; exact. Null for what is none. */
export function plainDecimal(text: string): string | null {
  if (text === 'NaN' || text === 'Infinity' || text === '-Infinity') return text
  const parts = PLAIN.exec(text)
  if (parts === null) return null
  const [sign, whole, fraction, power] = [parts[1], parts[2] ?? '', parts[3] ?? '', parts[4]]
  if (power === undefined) return text
  const exponent = Number(power)
  if (Math.abs(exponent) > 20_000) return null
  const digits = `${whole}${fraction}`
  const point = whole.length + exponent
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0')
  const at = Math.max(point, 1)
  const front = padded.slice(0, at).replace(/^0+(?=\d)/, '')
  const behind = padded.slice(at)
  return `${sign}${front}${behind === '' ? '' : `.${behind}`}`
}
