import {
  type ConnectServer,
  kafka,
  ownConnect,
  type PostgresServer,
  postgres,
} from '../../servers/index.ts'
import { sourceSettings, targetSettings } from '../watch.ts'

/** The name of this pair. */
export const topicsPair = 'kafka:postgres'

/** Two databases, a broker and a worker of Connect, for the oracle alone. */
export interface TopicsStand extends AsyncDisposable {
  readonly source: PostgresServer
  readonly target: PostgresServer
  readonly worker: ConnectServer
}

export async function openTopics(): Promise<TopicsStand> {
  const stack = new AsyncDisposableStack()
  try {
    const broker = stack.use(await kafka({}))
    const worker = stack.use(await ownConnect(broker))
    const source = stack.use(await postgres(18, { settings: sourceSettings }))
    const target = stack.use(await postgres(18, { settings: targetSettings }))
    return { source, target, worker, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}
