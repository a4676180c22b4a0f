import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Decoder, type DecoderOptions } from '../../../../src/dialect/debezium/decoder.ts'
import { Registry } from '../../../../src/dialect/debezium/registry.ts'
import type { Trace } from '../../../../testkit/debezium-traces/trace.ts'

/** A decoder that asks a registry with what the real one answered. */
export async function decoderOf(
  trace: Trace,
  options: Partial<DecoderOptions> = {},
): Promise<{ decoder: Decoder; close(): void }> {
  if (Object.keys(trace.schemas).length === 0)
    return { decoder: new Decoder({ registry: null, ...options }), close: () => {} }
  const server = createServer((request, response) => {
    const id = request.url?.split('/').at(-1) ?? ''
    const found = trace.schemas[id]
    response.statusCode = found === undefined ? 404 : 200
    response.end(JSON.stringify(found ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const registry = new Registry({ url: `http://127.0.0.1:${port}` })
  return { decoder: new Decoder({ registry }), close: () => server.close() }
}
