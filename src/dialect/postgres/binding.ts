import type pg from 'pg'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import { BindingError } from './tls.ts'

/**
 * libpq's channel_binding: `prefer` ties the password's exchange to the server's certificate
 * where the server offers it (SCRAM-SHA-256-PLUS, RFC 5929 tls-server-end-point), `require` goes
 * no further without, `disable` never does it.
 */
export type Binding = 'disable' | 'prefer' | 'require'

const BINDINGS: readonly Binding[] = ['disable', 'prefer', 'require']
const PLUS = 'SCRAM-SHA-256-PLUS'

/** What the endpoint wants; throws HF-C004 for what is none of the three. */
export function bindingOf({ params }: Endpoint): Binding {
  const wanted = params['channel_binding'] ?? 'prefer'
  const binding = BINDINGS.find((known) => known === wanted)
  if (binding !== undefined) return binding
  throw new Fault('HF-C004', {
    what: `the URL's channel_binding is none of ${BINDINGS.join(', ')}`,
    todo: [{ text: `Use one of ${BINDINGS.join(', ')}.` }],
  })
}

/** Watches one attempt to connect. */
export interface BindingWatch {
  /** Throws before a password is given to a server that does not bind. */
  allow(): void
}

export function watchBinding(client: pg.Client, binding: Binding): BindingWatch {
  let offered = false
  const connection = client.connection as unknown as NodeJS.EventEmitter
  connection.on('authenticationSASL', ({ mechanisms }: { mechanisms: readonly string[] }) => {
    offered = mechanisms.includes(PLUS)
  })
  return {
    allow() {
      if (binding === 'require' && !offered) throw new BindingError('no channel binding')
    },
  }
}

/** True for a certificate whose digest is not known here: binding is impossible, TLS is not. */
export function cannotBind(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('SASL channel binding')
}
