import { open } from './support.ts'

/** Claims the mirror of the database in the first argument, says so and stays. */
const target = await open(process.argv[2] ?? '')
await target.claim({ settings: {}, patience: 0 }, new AbortController().signal)
process.stdout.write('claimed\n')
process.stdin.resume()
await new Promise(() => undefined)
