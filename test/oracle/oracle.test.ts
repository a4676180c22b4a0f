import { trySeed } from './servers.ts'

// A minute of what `npm run soak` does for hours (docs/explanation/how-it-is-tested.md): here on
// one major, and with those faults that are about what was committed and who may write.

trySeed({ seed: 1, pair: [18, 18], transactions: 300, what: 'all faults' })
trySeed({
  seed: 4,
  pair: [18, 18],
  transactions: 250,
  memory: '16KiB',
  faults: {
    'COMMIT sent but reply lost': 4,
    'SIGSTOP and takeover and SIGCONT': 1,
    'kill at a point': 3,
    'target crashed': 1,
    'target disk full': 1,
    'clock jump': 1,
  },
  what: 'lost replies, two processes, deaths, crashes, full disks and clocks (P84)',
})
