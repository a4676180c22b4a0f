import { configFaults } from './config.ts'
import { connectFaults } from './connect.ts'
import { dataFaults } from './data.ts'
import { documentFaults } from './documents.ts'
import type { CatalogueEntry } from './entry.ts'
import { envelopeFaults } from './envelope.ts'
import { logFaults } from './log.ts'
import { preflightFaults } from './preflight.ts'
import { sourcePreflightFaults } from './preflight-source.ts'
import { processFaults } from './process.ts'
import { sourceFaults } from './source.ts'
import { targetFaults } from './target.ts'
import { topicFaults } from './topics.ts'
import { verifyFaults } from './verify.ts'

const entries = {
  ...configFaults,
  ...sourceFaults,
  ...preflightFaults,
  ...sourcePreflightFaults,
  ...logFaults,
  ...topicFaults,
  ...targetFaults,
  ...documentFaults,
  ...envelopeFaults,
  ...connectFaults,
  ...dataFaults,
  ...verifyFaults,
  ...processFaults,
}

export type FaultCode = keyof typeof entries

/** Every code that there is; never renumbered, never reused. */
export const catalogue: Readonly<Record<FaultCode, CatalogueEntry>> = entries
