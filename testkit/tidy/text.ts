import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import type { Untidy } from './code.ts'

// Written in pieces, so that this file does not hold what it looks for.
const unwanted: readonly (readonly [RegExp, string])[] = [
  [/(?:^|[\s"'`(=:])\/(?:work|root|var\/tmp|home\/[a-z]+)\//, 'a path of one machine'],
  [
    /https?:\/\/[^/\s]*(?:registry\.(?!npmjs\.org)|artifactory|nexus|verdaccio)/i,
    'a registry host',
  ],
  [/^(?:<{7}|>{7}) /, 'a merge that was left open'],
]

/** What no text file of the project may hold. */
export function untidyText(path: string, text: string): readonly Untidy[] {
  const found: Untidy[] = []
  for (const [index, line] of text.split('\n').entries())
    for (const [pattern, what] of unwanted)
      if (pattern.test(line)) found.push({ path, line: index + 1, what })
  return found
}

/** The anchor of a heading, as GitHub makes it. */
function anchor(heading: string): string {
  const plain = heading
    .replaceAll(/[`*]|\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
  return plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-')
}

function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = markdown.replaceAll(/^```.*?^```/gms, '').matchAll(/^#{1,6} (.+)$/gm)
  return new Set([...headings].map(([, heading]) => anchor(heading ?? '')))
}

/** Links of a Markdown file that lead nowhere; `read` gives a file's text by its path from the root. */
export function brokenLinks(
  path: string,
  text: string,
  read: (path: string) => string,
): readonly Untidy[] {
  const found: Untidy[] = []
  let fenced = false
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith('```')) fenced = !fenced
    if (fenced) continue
    for (const [, link = ''] of line.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)[^)]*\)/g)) {
      const what = brokenLink(path, text, { link, read })
      if (what !== undefined) found.push({ path, line: index + 1, what })
    }
  }
  return found
}

function brokenLink(
  path: string,
  text: string,
  to: { readonly link: string; readonly read: (path: string) => string },
): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(to.link)) return undefined
  const [file = '', fragment] = to.link.split('#')
  const target = file === '' ? path : posix.join(posix.dirname(path), decodeURI(file))
  if (file !== '' && (target.startsWith('..') || !existsSync(target)))
    return `a link to ${to.link}, which is not there`
  if (fragment === undefined || !target.endsWith('.md')) return undefined
  const there = anchorsOf(file === '' ? text : to.read(target))
  return there.has(fragment) ? undefined : `a link to ${to.link}, which has no such heading`
}
