/**
 * The neutral types. A cell in the encoding `values` holds the canonical text of its column's
 * neutral type, as UTF-8 (`bytes` holds the raw bytes). Canonical text is lossless by
 * construction: a value that has none is refused by name where it is read, never bent.
 *
 * | kind                 | canonical form |
 * |----------------------|----------------|
 * | bool                 | `t` or `f` |
 * | int                  | decimal digits with an optional `-` |
 * | decimal              | digits with the scale as written, `NaN`, `Infinity`, `-Infinity` |
 * | float                | shortest text that reads back bit-equal, `-0`, `NaN`, `Infinity`, `-Infinity` |
 * | text, enum           | the characters; for an enum the label |
 * | bytes                | the raw bytes |
 * | uuid                 | lower case with dashes |
 * | json                 | the text as the source prints it |
 * | date                 | `YYYY-MM-DD`, year of 4 or more digits, ` BC` after it before year 1, `infinity`, `-infinity` |
 * | time, timetz         | `HH:MM:SS[.ffffff][+HH[:MM[:SS]]]` |
 * | timestamp            | date, space, time |
 * | timestamptz          | timestamp in UTC followed by `+00` |
 * | interval             | PostgreSQL's `postgres` interval style |
 * | bit                  | `0` and `1` |
 * | array                | PostgreSQL's array text, lower bounds included, elements canonical |
 * | opaque               | text in the syntax of `dialect`; only a target that knows the dialect takes it |
 */
export type Type =
  | { readonly kind: 'bool' | 'text' | 'bytes' | 'uuid' | 'date' | 'interval' }
  | { readonly kind: 'int'; readonly bits: 8 | 16 | 24 | 32 | 64; readonly unsigned: boolean }
  | { readonly kind: 'decimal'; readonly precision: number | null; readonly scale: number | null }
  | { readonly kind: 'float'; readonly bits: 32 | 64 }
  | { readonly kind: 'json'; readonly binary: boolean }
  | {
      readonly kind: 'time' | 'timetz' | 'timestamp' | 'timestamptz'
      /** Digits after the second, 0 to 6. */
      readonly precision: number
    }
  | { readonly kind: 'enum'; readonly labels: readonly string[] }
  | { readonly kind: 'bit'; readonly length: number | null; readonly varying: boolean }
  | { readonly kind: 'array'; readonly of: Type }
  | { readonly kind: 'opaque'; readonly dialect: string; readonly name: string }
