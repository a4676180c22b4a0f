import { trySeed } from './servers.ts'

// The same between majors that differ.

trySeed({ seed: 2, pair: [14, 18], transactions: 220, what: 'all faults' })
trySeed({ seed: 3, pair: [18, 14], transactions: 220, path: 'always', what: 'all faults' })
trySeed({ seed: 5, pair: [16, 17], transactions: 220, path: 'random', what: 'all faults' })
