import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * A long line to a server on the loopback: every byte comes so many milliseconds after it was sent,
 * however many are on their way. `node benchmarks/line.ts PORT MILLISECONDS` prints its own port.
 */
const [port = 0, millis = 0] = process.argv.slice(2).map(Number)

/** Bytes on their way before the sender has to wait, as the window of a TCP connection has it. */
const WINDOW = 4 << 20

async function carry(from: Socket, to: Socket): Promise<void> {
  const under: { readonly piece: Buffer; readonly due: number }[] = []
  let held = 0
  let ended = false
  from.on('data', (piece: Buffer) => {
    under.push({ piece, due: performance.now() + millis })
    held += piece.length
    if (held >= WINDOW) from.pause()
  })
  from.on('end', () => {
    ended = true
  })
  while (!to.destroyed && !(ended && under.length === 0)) {
    const next = under[0]
    const wait = next === undefined ? 1 : next.due - performance.now()
    if (wait > 0) await delay(wait)
    while (under[0] !== undefined && under[0].due <= performance.now()) {
      const { piece } = under[0]
      under.shift()
      held -= piece.length
      if (!to.write(piece)) await once(to, 'drain')
    }
    if (held < WINDOW && !ended) from.resume()
  }
  to.end()
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  const behind = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  for (const [side, other] of [
    [client, behind],
    [behind, client],
  ] as const) {
    side.on('error', () => other.destroy())
    side.on('close', () => other.destroySoon())
    carry(side, other).catch(() => side.destroy())
  }
})
server.listen({ port: 0, host: '127.0.0.1' }, () => {
  const address = server.address()
  console.log(typeof address === 'object' ? `port ${address?.port}` : '')
})
