import { sourceSchemes } from '../../source/registry.ts'
import { targetSchemes } from '../../target/registry.ts'
import type { Call, Command } from '../command.ts'
import type { Outcome } from '../outcome.ts'
import { version as ownVersion } from '../version.ts'

export const version: Command = {
  name: 'version',
  summary: 'What this is: version, Node and connectors.',
  flags: [],
  examples: ['holdfast version', 'holdfast version --json'],
  async run({ out }: Call): Promise<Outcome> {
    const result = {
      version: ownVersion(),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
      sources: sourceSchemes,
      targets: targetSchemes,
    }
    out.data(
      `holdfast ${result.version}  (node ${result.node}, ${result.platform}; ` +
        `sources: ${sourceSchemes.join(', ')}; targets: ${targetSchemes.join(', ')})`,
    )
    return { ok: true, result }
  },
}
