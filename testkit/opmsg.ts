import { createServer, type Socket } from 'node:net'
import { BSON, type Document } from 'mongodb'

/** What the peer does with a command: answers, or ends the connection without a word. */
export type Reply = Document | 'hangs up'

export interface Peer extends AsyncDisposable {
  readonly url: string
  /** The commands that came, but for those by which a driver looks around. */
  readonly commands: readonly Document[]
}

/**
 * What a primary of a replica set says of itself
 * (https://www.mongodb.com/docs/manual/reference/command/hello/).
 */
function hello(host: string): Document {
  return {
    ok: 1,
    helloOk: true,
    isWritablePrimary: true,
    ismaster: true,
    setName: 'rs',
    hosts: [host],
    me: host,
    primary: host,
    maxBsonObjectSize: 16_777_216,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    logicalSessionTimeoutMinutes: 30,
    localTime: new Date(),
    minWireVersion: 0,
    maxWireVersion: 21,
    readOnly: false,
  }
}

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013

/**
 * A peer that speaks MongoDB's wire protocol
 * (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/) and answers the commands of
 * a driver one after the other as the script says. It stores nothing.
 */
export async function opmsgPeer(script: readonly Reply[]): Promise<Peer> {
  const commands: Document[] = []
  const left = [...script]
  const sockets = new Set<Socket>()
  let host = ''
  const answer = (command: Document): Reply => {
    const name = Object.keys(command)[0] ?? ''
    if (/^(?:hello|ismaster)$/i.test(name)) return hello(host)
    if (name === 'ping' || name === 'endSessions') return { ok: 1 }
    commands.push(command)
    return left.shift() ?? { ok: 0, code: 59, codeName: 'CommandNotFound', errmsg: name }
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    let waiting = Buffer.alloc(0)
    socket.on('data', (bytes) => {
      waiting = Buffer.concat([waiting, bytes])
      while (waiting.length >= 4 && waiting.length >= waiting.readInt32LE(0)) {
        const message = waiting.subarray(0, waiting.readInt32LE(0))
        waiting = waiting.subarray(message.length)
        const reply = answer(commandOf(message))
        if (reply === 'hangs up') socket.destroy()
        else socket.write(replyTo(message, reply))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen')
  host = `127.0.0.1:${address.port}`
  return {
    url: `mongodb://${host}/?replicaSet=rs`,
    commands,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function commandOf(message: Buffer): Document {
  const opcode = message.readInt32LE(12)
  if (opcode === OP_QUERY) return BSON.deserialize(message.subarray(message.indexOf(0, 20) + 9))
  if (opcode !== OP_MSG) throw new Error(`a message of kind ${opcode}`)
  // Flags; then sections: a body, and lists of documents under a name.
  const command: Document = {}
  for (let at = 20; at < message.length; ) {
    const kind = message[at++]
    const length = message.readInt32LE(at)
    const section = message.subarray(at, at + length)
    at += length
    if (kind === 0) Object.assign(command, BSON.deserialize(section))
    else {
      const end = section.indexOf(0, 4)
      const documents: Document[] = []
      for (let from = end + 1; from < length; ) {
        const to = from + section.readInt32LE(from)
        documents.push(BSON.deserialize(section.subarray(from, to)))
        from = to
      }
      command[section.toString('utf8', 4, end)] = documents
    }
  }
  return command
}

function replyTo(message: Buffer, reply: Document): Buffer {
  const body = BSON.serialize(reply)
  const query = message.readInt32LE(12) === OP_QUERY
  const head = Buffer.alloc(query ? 36 : 21)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(message.readInt32LE(4), 8)
  head.writeInt32LE(query ? OP_REPLY : OP_MSG, 12)
  if (query) head.writeInt32LE(1, 32)
  return Buffer.concat([head, body])
}
