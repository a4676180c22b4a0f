import { ident, literal } from './quote.ts'

/**
 * What every session runs with, whatever the server, the database or the role says. The first
 * group decides how values are written as text; the second one what a statement means.
 */
export const pinned: Readonly<Record<string, string>> = {
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  timezone: 'UTC',
  lc_monetary: 'C',
  xmloption: 'content',
  array_nulls: 'on',
  quote_all_identifiers: 'off',

  search_path: '',
  standard_conforming_strings: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  // A row security policy would leave rows out; off makes that an error.
  row_security: 'off',
  client_min_messages: 'warning',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
}

/**
 * The ones that PgBouncer takes in a startup packet and keeps for the client; it refuses any
 * other. `client_encoding` goes with every startup packet.
 */
const poolable = ['datestyle', 'timezone', 'standard_conforming_strings'] as const

/** Settings for the startup packet of a session that may go through PgBouncer. */
export function poolableSettings(): Record<string, string> {
  return Object.fromEntries(poolable.map((name) => [name, pinned[name] ?? '']))
}

/** One statement that pins `settings` for the transaction that it runs in. */
export function pinLocally(settings: Readonly<Record<string, string>> = pinned): string {
  return Object.entries(settings)
    .map(([name, value]) => `SET LOCAL ${ident(name)} = ${literal(value)}`)
    .join('; ')
}
