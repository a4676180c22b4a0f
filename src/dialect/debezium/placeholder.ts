import { createHash } from 'node:crypto'
import type { Type } from '../../model/value.ts'

export const UNAVAILABLE = '__debezium_unavailable_value'

/**
 * How the value that a connector writes in place of one that it does not know reads in a column
 * of this type: as text, as bytes and what the modes of binary columns make of them, as a list of
 * it, of its bytes or of a UUID made of it, as a map of it to itself.
 */
export function placeholders(type: Type, placeholder: Buffer): readonly Buffer[] {
  const text = placeholder.toString('utf8')
  switch (type.kind) {
    case 'text':
      return [
        placeholder,
        Buffer.from(placeholder.toString('base64')),
        Buffer.from(placeholder.toString('base64url')),
        Buffer.from(placeholder.toString('hex')),
      ]
    case 'bytes':
      return [placeholder]
    case 'json':
      return [placeholder, Buffer.from(JSON.stringify({ [text]: text }))]
    case 'decimal':
      return [placeholder]
    case 'opaque':
      return [placeholder, Buffer.from(`"${text}"=>"${text}"`)]
    case 'array':
      return arrays(type.of, placeholder)
    default:
      return []
  }
}

function arrays(of: Type, placeholder: Buffer): readonly Buffer[] {
  const list = (items: readonly (string | number)[]): Buffer => Buffer.from(`{${items.join(',')}}`)
  switch (of.kind) {
    case 'int':
    case 'decimal':
    case 'float':
      return [list([...placeholder])]
    case 'uuid':
      return [list([nameUuid(placeholder)])]
    case 'bytes':
      return [Buffer.from(`{"\\\\x${placeholder.toString('hex')}"}`)]
    default:
      return [list([placeholder.toString('utf8')])]
  }
}

/** The UUID that Java makes of a name (UUID.nameUUIDFromBytes). */
function nameUuid(name: Buffer): string {
  const digest = createHash('md5').update(name).digest()
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x30
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80
  const hex = digest.toString('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  return `${parts.join('-')}-${hex.slice(20)}`
}
