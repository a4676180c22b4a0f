import { z } from 'zod'

/** What a worker of Kafka Connect answers, as far as it is read; more fields are let pass. */

const place = z.looseObject({
  state: z.string(),
  worker_id: z.string().default(''),
  trace: z.string().optional(),
})

export const statusAnswer = z.looseObject({
  name: z.string(),
  type: z.string().default('unknown'),
  connector: place,
  tasks: z.array(place.extend({ id: z.int() })),
})

const settings = z.record(z.string(), z.string().nullable())

export const listAnswer = z.record(
  z.string(),
  z.looseObject({
    status: statusAnswer,
    info: z.looseObject({ config: settings }),
  }),
)

export const createdAnswer = z.looseObject({ name: z.string() })

export const configAnswer = settings

export const pluginsAnswer = z.array(
  z.looseObject({ class: z.string(), type: z.string(), version: z.string().nullish() }),
)

export const rootAnswer = z.looseObject({ version: z.string(), kafka_cluster_id: z.string() })

export const validationAnswer = z.looseObject({
  error_count: z.int(),
  configs: z.array(
    z.looseObject({
      definition: z.looseObject({ name: z.string(), type: z.string() }),
      value: z.looseObject({ name: z.string(), errors: z.array(z.string()) }),
    }),
  ),
})

/** Places are objects whose fields only the connector knows. */
const fields = z.record(z.string(), z.unknown())

export const offsetsAnswer = z.looseObject({
  offsets: z.array(z.looseObject({ partition: fields, offset: fields.nullable() })),
})

export const topicsAnswer = z.record(z.string(), z.looseObject({ topics: z.array(z.string()) }))

export const messageAnswer = z.looseObject({ message: z.string() })

/** An answer without a body. */
export const nothing = z.null()

export type WorkerStatus = z.infer<typeof statusAnswer>
export type Validation = z.infer<typeof validationAnswer>
export type Plugin = z.infer<typeof pluginsAnswer>[number]
/** One source partition, or one partition of a sink's topic, with how far it was read. */
export type ConnectOffset = z.infer<typeof offsetsAnswer>['offsets'][number]
/** A connector's settings, each a text. */
export type Settings = Readonly<Record<string, string>>
