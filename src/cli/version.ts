import { readFileSync } from 'node:fs'

/** The version of this package. */
export function version(): string {
  const content: unknown = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  const found = typeof content === 'object' && content !== null && 'version' in content
  return found ? String(content.version) : 'unknown'
}
