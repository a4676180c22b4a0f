import { misread } from './misread.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BAD = 64
const PAD = 0x3d
const VALUES = new Uint8Array(256).fill(BAD)
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i
// The alphabet for addresses of the web.
VALUES[0x2d] = 62
VALUES[0x5f] = 63

/**
 * Decodes base64 into `to` from `at` on and returns where it ends. There must be room for three
 * quarters of it. Strict: nothing but the alphabet, and no bits left over.
 */
export function decodeBase64(
  span: { readonly buffer: Buffer; readonly from: number; readonly to: number },
  to: Buffer,
  at: number,
): number {
  const from = span.buffer
  let end = span.to
  while (end > span.from && span.to - end < 2 && from[end - 1] === PAD) end--
  if (end < span.to && (span.to - span.from) % 4 !== 0) throw misread('bytes are not base64')
  let bits = 0
  let held = 0
  let place = at
  for (let i = span.from; i < end; i++) {
    const value = VALUES[from[i] ?? 0] ?? BAD
    if (value === BAD) throw misread('bytes are not base64')
    bits = ((bits << 6) | value) & 0xffff
    held += 6
    if (held < 8) continue
    held -= 8
    to[place++] = (bits >> held) & 0xff
  }
  if (held === 6 || (bits & ((1 << held) - 1)) !== 0) throw misread('bytes are not base64')
  return place
}
