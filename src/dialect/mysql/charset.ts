import { lowerExceptions, upperHalves } from './charset-tables.ts'

/** Rewrites the bytes of one text as UTF-8; null for a text that holds no known characters. */
export type ToUtf8 = (bytes: Buffer) => Buffer | null

const NUMBERS: Readonly<Record<string, string>> = {
  big5: '1 84 1025 1108',
  latin2: '2 9 21 27 77 1033 1101',
  dec8: '3 69 1027 1093',
  cp850: '4 80 1028 1104',
  latin1: '5 8 15 31 47-49 94 1032 1071',
  hp8: '6 72 1030 1096',
  koi8r: '7 74 1031 1098',
  swe7: '10 82 1034 1106',
  ascii: '11 65 1035 1089',
  ujis: '12 91 1036 1115',
  sjis: '13 88 1037 1112',
  cp1251: '14 23 50-52 1074-1075',
  hebrew: '16 71 1040 1095',
  tis620: '18 89 1042 1113',
  euckr: '19 85 1043 1109',
  latin7: '20 41-42 79 1065 1103',
  koi8u: '22 75 1046 1099',
  gb2312: '24 86 1048 1110',
  greek: '25 70 1049 1094',
  cp1250: '26 34 44 66 99 1050 1090',
  gbk: '28 87 1052 1111',
  cp1257: '29 58-59 1082-1083',
  latin5: '30 78 1054 1102',
  armscii8: '32 64 1056 1088',
  utf8mb3: '33 76 83 192-215 223 576-578 1057 1107 1216 1238 2048-2303',
  ucs2: '35 90 128-151 159 640-642 1059 1114 1152 1174 2560-2815',
  cp866: '36 68 1060 1092',
  keybcs2: '37 73 1061 1097',
  macce: '38 43 1062 1067',
  macroman: '39 53 1063 1077',
  cp852: '40 81 1064 1105',
  utf8mb4: '45-46 224-247 255-323 608-610 1069-1070 1248 1270 2304-2559',
  utf16: '54-55 101-124 672-674 1078-1079 1125 1147 2816-3071',
  utf16le: '56 62 1080 1086',
  cp1256: '57 67 1081 1091',
  utf32: '60-61 160-183 736-738 1084-1085 1184 1206 3072-3327',
  binary: '63',
  geostd8: '92-93 1116-1117',
  cp932: '95-96 1119-1120',
  eucjpms: '97-98 1121-1122',
  gb18030: '248-250',
}

const byNumber = new Map<number, string>()
for (const [charset, ranges] of Object.entries(NUMBERS)) {
  for (const range of ranges.split(' ')) {
    const [from = '', to = from] = range.split('-')
    for (let number = Number(from); number <= Number(to); number++) byNumber.set(number, charset)
  }
}

/** Bytes, not characters. */
export const BINARY = 63

/** The character set of a collation's number (INFORMATION_SCHEMA.COLLATIONS); null: not known. */
export function charsetOf(collation: number): string | null {
  return byNumber.get(collation) ?? null
}

/** Character sets whose bytes are UTF-8 already. */
const alike: ReadonlySet<string> = new Set(['utf8mb4', 'utf8mb3', 'utf8'])

const unicode: Readonly<Record<string, string>> = {
  ucs2: 'utf-16be',
  utf16: 'utf-16be',
  utf16le: 'utf-16le',
}

const made = new Map<string, ToUtf8 | null>()

/**
 * How texts of a character set become UTF-8; `'same'` where they are, null for a character set
 * that is not known, or that only the server has the table of (charset-wide.ts).
 */
export function utf8From(charset: string): ToUtf8 | 'same' | null {
  if (alike.has(charset)) return 'same'
  const known = made.get(charset)
  if (known !== undefined) return known
  const fresh = make(charset)
  made.set(charset, fresh)
  return fresh
}

function make(charset: string): ToUtf8 | null {
  if (charset === 'ascii') return asciiOnly
  if (charset === 'utf32') return fromUtf32
  const upper = upperHalves[charset]
  if (upper !== undefined) return fromTable(upper, lowerExceptions[charset] ?? {})
  const label = unicode[charset]
  return label === undefined ? null : decodedBy(label)
}

function asciiOnly(bytes: Buffer): Buffer | null {
  return bytes.every((byte) => byte < 0x80) ? bytes : null
}

function fromTable(upper: string, lower: Readonly<Record<number, string>>): ToUtf8 {
  const encoded = Array.from({ length: 256 }, (_, byte) => {
    const found = byte < 0x80 ? lower[byte] : upper[byte - 0x80]
    if (found === '?') return null
    return Buffer.from(found ?? String.fromCharCode(byte), 'utf8')
  })
  const asciiStays = Object.keys(lower).length === 0
  return (bytes) => {
    if (asciiStays && isAscii(bytes)) return bytes
    const out = Buffer.allocUnsafe(bytes.length * 3)
    let size = 0
    for (const byte of bytes) {
      const piece = encoded[byte]
      if (piece == null) return null
      for (const part of piece) out[size++] = part
    }
    return out.subarray(0, size)
  }
}

function isAscii(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte >= 0x80) return false
  return true
}

function decodedBy(label: string): ToUtf8 {
  const decoder = new TextDecoder(label, { fatal: true, ignoreBOM: true })
  return (bytes) => {
    try {
      return Buffer.from(decoder.decode(bytes), 'utf8')
    } catch {
      return null
    }
  }
}

function fromUtf32(bytes: Buffer): Buffer | null {
  if (bytes.length % 4 !== 0) return null
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const point = bytes.readUInt32BE(at)
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return null
    text += String.fromCodePoint(point)
  }
  return Buffer.from(text, 'utf8')
}
