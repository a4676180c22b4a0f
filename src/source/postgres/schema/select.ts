import type { Naming } from '../../select.ts'

/** Schemas that belong to PostgreSQL or to Holdfast; patterns never reach them. */
export function isOwnSchema(schema: string): boolean {
  return schema.startsWith('pg_') || schema === 'information_schema' || schema === '_holdfast'
}

/** A bare name is folded to lower case as SQL does; without a dot the schema is public. */
export const naming: Naming = {
  fold: (name) => name.toLowerCase(),
  home: 'public',
  own: isOwnSchema,
  plain: /^[\p{Ll}\p{Lo}_][\p{Ll}\p{Lo}\p{Nd}_$]*$/u,
}
