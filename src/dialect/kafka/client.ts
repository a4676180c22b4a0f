import { registerHooks } from 'node:module'
import { address, CHECKER } from './late-checks.ts'

/** The module of the client that makes its checker. */
const MAKER = /\/@platformatic\/kafka\/dist\/utils\.js$/

// Half of the time that the client takes to load is spent for checks that nobody asks for.
const hooks = registerHooks({
  resolve(specifier, context, next) {
    const checks = specifier === CHECKER && MAKER.test(context.parentURL ?? '')
    return checks ? { url: address, shortCircuit: true } : next(specifier, context)
  },
})

/** The client of Kafka. */
export const client = await import('@platformatic/kafka').finally(() => hooks.deregister())
