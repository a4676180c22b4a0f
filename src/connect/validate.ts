import type { Finding } from '../model/fault.ts'
import { Fault } from '../model/fault.ts'
import type { Settings } from './answers.ts'
import { shownSettings } from './secrets.ts'
import type { Worker } from './worker.ts'

/**
 * What the connector's own code says of settings, on the worker that would run it; it connects to
 * the database with them. One finding for each setting that it refuses.
 */
export async function validated(
  worker: Worker,
  name: string,
  config: Settings,
): Promise<readonly Finding[]> {
  const plugin = config['connector.class'] ?? ''
  const plugins = await worker.plugins()
  if (!plugins.some((known) => known.class === plugin)) {
    const known = plugins.map((one) => one.class).join(', ')
    throw new Fault('HF-K406', {
      what: `${worker.label} has no plugin ${plugin}`,
      evidence: { plugins: known },
    })
  }
  const { configs } = await worker.validate({ ...config, name })
  const shown = shownSettings(config)
  const findings = configs.flatMap(({ value }): Finding[] =>
    value.errors.map((error) => {
      const secret = shown[value.name] !== config[value.name]
      // What is wrong with a secret may repeat it.
      const said = secret ? 'the worker refuses the value' : sentence(error, config)
      const what = `${value.name}: ${said}`
      return { level: 'fail', subject: value.name, fault: new Fault('HF-K405', { what }) }
    }),
  )
  if (findings.length > 0) return findings
  const what = `${plugin} on ${worker.label} accepts these settings`
  return [{ level: 'ok', subject: name, what }]
}

/** In one line, and without a secret that the driver repeats. */
function sentence(error: string, config: Settings): string {
  const shown = shownSettings(config)
  const secrets = Object.entries(config).flatMap(([key, value]) =>
    shown[key] === '***' && value.length > 3 ? [value] : [],
  )
  const flat = error.replaceAll(/\s+/g, ' ').trim()
  return secrets.reduce((text, secret) => text.replaceAll(secret, '***'), flat)
}
